/**
 * What signals do: which of them end the server, when, and what it says.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Client, midLine, text } from "../support/client.ts";
import {
  GUARD,
  PROC,
  PROGRAM,
  Program,
  programTest,
  succeeds,
} from "../support/program.ts";

const ignore = !PROGRAM || Deno.build.os === "windows";

/** Milliseconds after which another signal is another wish. */
const WISH = 500;

/** Some more. */
const LATER = WISH + 200;

/** Ends no connection before its line does. */
const PATIENT = ["--shutdown-timeout", "86400"];

/**
 * Does what is about signals that come at once. On a machine that is so slow
 * that they need not have been, it is tried again if it fails.
 */
async function atOnce(signals: () => Promise<void>): Promise<void> {
  const late = performance.now() + GUARD;
  for (;;) {
    const start = performance.now();
    try {
      return await signals();
    } catch (error) {
      const now = performance.now();
      if (now - start < WISH || now > late) throw error;
    }
  }
}

// A terminal

/** Gives the program a terminal for its standard input and output. */
const TERMINAL = [
  "sh",
  "-c",
  'exec 3>&2; exec script -qec "echo pid \\$\\$ >&3; exec $0 $* 2>&3 3>&-" /dev/null',
];

const noTerminal = ignore || !await succeeds("script", "--version");

if (!ignore && noTerminal) {
  console.log("Tests at a terminal are ignored: script(1) is not there.");
}

programTest({
  name: "SIGHUP ends a server that was started at a terminal, exit 0",
  ignore: noTerminal,
}, async () => {
  // The ready line says that signals are welcome: one that comes at once must
  // not come too early.
  for (let i = 0; i < 3; i++) {
    await using program = await Program.listening([], { under: TERMINAL });
    const [, pid] = await program.saw(/pid (\d+)\n/);
    Deno.kill(Number(pid), "SIGHUP");
    const { code, stderr } = await program.ended();
    assert.equal(code, 0);
    assert.match(stderr, /draining 0 connections/);
  }
});

programTest({
  name: "a server drains when the terminal goes that it was started at",
  ignore: noTerminal,
}, async () => {
  await using program = await Program.listening(PATIENT, { under: TERMINAL });
  using client = await midLine(program);
  // The terminal, not the server: the kernel hangs up.
  program.kill("SIGKILL");
  await program.saw(/draining 1 connection: /);
  await client.send(" a line\n");
  assert.equal(text(await client.receiveAll()), "half a line\n");
  client.close();
  await program.saw(/stopped: 1 connection served/);
});

programTest({
  name: "SIGHUP is told and ignored where there was no terminal at the start",
  ignore,
}, async () => {
  await using program = await Program.listening();
  using client = await midLine(program);
  program.kill("SIGHUP");
  await program.saw(
    /info SIGHUP ignored: there was no terminal at the start\n/,
  );
  await client.send("\n");
  assert.equal(await client.receiveText(5), "half\n");
  client.close();
  program.kill();
  assert.equal((await program.ended()).code, 0);
});

programTest(
  { name: "a server under nohup outlives SIGHUP", ignore },
  async () => {
    await using program = await Program.listening([], { under: ["nohup"] });
    program.kill("SIGHUP");
    using client = await Client.connect(program.port);
    assert.equal(await client.echo("still here\n"), "still here\n");
    client.close();
    program.kill();
    assert.equal((await program.ended()).code, 0);
  },
);

// A second signal

for (
  const [first, second] of [
    ["SIGTERM", "SIGTERM"],
    ["SIGINT", "SIGINT"],
    ["SIGINT", "SIGTERM"],
  ] as const
) {
  programTest({
    name: `${first} and ${second} at once are one wish, and lose no line`,
    ignore,
  }, () =>
    atOnce(async () => {
      await using program = await Program.listening(PATIENT);
      using client = await midLine(program);
      program.kill(first);
      await program.saw(/draining 1 connections?\b/);
      program.kill(second);
      await client.send(" a line\n");
      assert.equal(text(await client.receiveAll()), "half a line\n");
      client.close();
      assert.equal((await program.ended()).code, 0);
    }));
}

programTest({
  name: "a terminal that hangs up twice loses no line",
  ignore: noTerminal,
}, () =>
  atOnce(async () => {
    await using program = await Program.listening(PATIENT, { under: TERMINAL });
    const [, pid] = await program.saw(/pid (\d+)\n/);
    using client = await midLine(program);
    Deno.kill(Number(pid), "SIGHUP");
    Deno.kill(Number(pid), "SIGHUP");
    await program.saw(/draining 1 connections?\b/);
    Deno.kill(Number(pid), "SIGHUP");
    await client.send("\n");
    assert.equal(text(await client.receiveAll()), "half\n");
    client.close();
    assert.equal((await program.ended()).code, 0);
  }));

for (
  const [first, second, code] of [
    ["SIGTERM", "SIGTERM", 143],
    ["SIGTERM", "SIGINT", 130],
  ] as const
) {
  programTest({
    name: `${second} a while after ${first} ends the server at once, ${code}`,
    ignore,
  }, async () => {
    await using program = await Program.listening(PATIENT);
    using _client = await midLine(program);
    program.kill(first);
    await program.saw(/draining 1 connections?\b/);
    await new Promise((resolve) => setTimeout(resolve, LATER));
    program.kill(second);
    const end = await program.ended();
    assert.equal(end.code, code);
    assert.doesNotMatch(end.stderr, /stopped/);
  });
}

// What is said

programTest({
  name: "a drain says how long it takes at most, and how to end it",
  ignore,
}, async () => {
  await using program = await Program.listening(["--shutdown-timeout", "7"]);
  using client = await midLine(program);
  program.kill("SIGINT");
  await program.saw(
    /draining 1 connection: 7 s at most, a second signal ends it at once\n/,
  );
  await client.send("\n");
  await client.receiveAll();
  client.close();
  const { stderr } = await program.ended();
  assert.match(
    stderr,
    /stopped: 1 connection served, 11 bytes in, 11 bytes out\n$/,
  );
});

programTest({
  name: "SIGUSR1 tells the state of a running server in one line",
  ignore,
}, async () => {
  await using program = await Program.listening(["--verbose"]);
  const gone = await Client.connect(program.port);
  assert.equal(await gone.echo("gone\n"), "gone\n");
  gone.close();
  await program.saw(/ closed: 5 bytes in/);
  using client = await midLine(program);
  program.kill("SIGUSR1");
  await program.saw(
    /info ready: 1 connection open; since \d{4}-\d\d-\d\dT[\d:.]+Z: 2 connections served, 15 bytes in, 11 bytes out\n/,
  );
  await client.send("\n");
  assert.equal(await client.receiveText(5), "half\n");
  client.close();
  program.kill();
  const { code, stderr } = await program.ended();
  assert.equal(code, 0);
  assert.equal(stderr.match(/^\S+ info /gm)?.length, 4, stderr);
});

programTest({
  name: "SIGUSR1 tells the state of all workers, also in a drain",
  ignore: !PROC,
}, async () => {
  await using program = await Program.listening(
    ["--workers", "2", ...PATIENT],
    { permissions: ["--allow-net", "--allow-read"] },
  );
  const clients = await Promise.all(
    Array.from({ length: 10 }, () => midLine(program)),
  );
  program.kill();
  await program.saw(/draining 10 connections\b/);
  program.kill("SIGUSR1");
  await program.saw(/draining: 10 connections open; since \S+: 10 connec/);
  for (const client of clients) {
    await client.send("\n");
    assert.equal(text(await client.receiveAll()), "half\n");
    client.close();
  }
  assert.equal((await program.ended()).code, 0);
});
