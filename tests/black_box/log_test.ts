/**
 * A log that is full, closed or read late: what the server does then.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Client, midLine, text } from "../support/client.ts";
import { freePort } from "../support/ports.ts";
import { PROGRAM, Program, programTest, until } from "../support/program.ts";
import {
  type TemporaryDirectory,
  temporaryDirectory,
} from "../support/temporary.ts";

const ignore = !PROGRAM || Deno.build.os === "windows";

/** Clients after which a pipe is full, and after which the queue is. */
const FILL_PIPE = 1000;
const FILL_QUEUE = 5000;

/** Starts the program with its standard error redirected by a shell. */
function redirected(port: number, redirection: string): Program {
  return Program.spawn(
    [
      "--host=127.0.0.1",
      `--port=${port}`,
      "--verbose",
      "--log-format=json",
    ],
    { under: ["sh", "-c", `${redirection}; exec "$0" "$@"`] },
  );
}

/** A pipe with a name. */
async function fifo(): Promise<TemporaryDirectory> {
  const directory = await temporaryDirectory();
  const path = `${directory.path}/log`;
  await new Deno.Command("mkfifo", { args: [path] }).output();
  return { ...directory, path };
}

/** Each end of a connection is a line of the log. */
async function serves(port: number, clients: number): Promise<void> {
  for (let i = 0; i < clients; i++) {
    using client = await until(() => Client.connect(port));
    assert.equal(await client.echo("served\n"), "served\n");
  }
}

programTest({
  name: "a server whose log nobody reads any more serves on, and drains",
  ignore,
}, async () => {
  await using pipe = await fifo();
  const port = freePort();
  await using program = redirected(port, `exec 2<>'${pipe.path}'`);
  await serves(port, FILL_PIPE);
  using client = await midLine({ port });
  program.kill();
  await client.send("\n");
  assert.equal(text(await client.receiveAll()), "half\n");
  client.close();
  assert.equal((await program.ended()).code, 0);
});

programTest({
  name: "a log that is read late has all lines whole, and says which it lacks",
  ignore,
}, async () => {
  await using pipe = await fifo();
  const port = freePort();
  await using program = redirected(port, `exec 2<>'${pipe.path}'`);
  await serves(port, FILL_QUEUE);
  const log = Program.other("sh", ["-c", `exec cat '${pipe.path}' >&2`]);
  await using _log = log;
  await log.saw(/ log lines? dropped/);
  program.kill();
  assert.equal((await program.ended()).code, 0);
  const { stderr } = await log.ended();
  const events = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  const count = (type: string) =>
    events.filter(({ event }) => event === type).length;
  const dropped = events.filter(({ event }) => event === "dropped")
    .reduce((sum, { lines }) => sum + lines, 0);
  assert.ok(dropped > 0);
  assert.equal(count("connection") + dropped, FILL_QUEUE);
  assert.deepEqual([count("drain"), count("stop")], [1, 1]);
});

programTest({
  name: "a server whose log is closed serves on, and drains",
  ignore,
}, async () => {
  await using program = await Program.listening(["--verbose"]);
  await program.closeStderr();
  await serves(program.port, 100);
  using client = await midLine(program);
  program.kill();
  await client.send("\n");
  assert.equal(text(await client.receiveAll()), "half\n");
  client.close();
  assert.equal((await program.ended()).code, 0);
});

programTest({
  name: "a server that starts with stdout and stderr closed serves and drains",
  ignore,
}, async () => {
  const port = freePort();
  await using program = redirected(port, "exec >&- 2>&-");
  await serves(port, 20);
  program.kill();
  assert.equal((await program.ended()).code, 0);
});
