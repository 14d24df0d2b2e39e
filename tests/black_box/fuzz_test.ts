/**
 * Clients that do anything at all. What they do comes from a seed, which is
 * printed; `FUZZ_SEED=1 deno task test` does the same again.
 *
 * @module
 */

import assert from "node:assert/strict";
import { EchoServer } from "../../lib/mod.ts";
import { anyClient, anyStranger } from "../support/any_client.ts";
import { Client, netAddress } from "../support/client.ts";
import { Metrics } from "../support/metrics.ts";
import { EXECUTABLE, NET, PROC, PROGRAM, Program } from "../support/program.ts";
import { Random } from "../support/random.ts";
import { CARRIES, serveOver, type Stream } from "../support/transports.ts";

const SEED = await seed();

/** Clients of one run, and how many of them are there at once. */
const CLIENTS = 400;
const AT_ONCE = 40;

/**
 * Clients after all the others: so many that each accept queue gets one of them,
 * behind which none is left that has not been accepted.
 */
const LAST = 20;

/** What the runtime may take by itself once it gets busy. */
const RUNTIME = 64 * 1024 * 1024;

async function seed(): Promise<number> {
  const env = await Deno.permissions.query({ name: "env" });
  const given = env.state === "granted" ? Deno.env.get("FUZZ_SEED") : undefined;
  return given ? Number(given) : Date.now() % 1_000_000;
}

/**
 * Lets all clients loose, each with a sequence of its own, so that they are the
 * same however they interleave. At the first that fails no more are started,
 * and none is left alone.
 */
async function fuzz<Where extends number | string>(
  where: Where,
  seed: number,
  client: (where: Where, random: Random) => Promise<unknown> = anyClient,
): Promise<void> {
  console.log(`seed ${seed}`);
  const failures: Error[] = [];
  let next = 0;
  const oneByOne = async () => {
    while (next < CLIENTS && failures.length === 0) {
      const index = next++;
      try {
        await client(where, new Random(seed * CLIENTS + index));
      } catch (cause) {
        const what = `client ${index} of seed ${seed} failed`;
        failures.push(new Error(what, { cause }));
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, oneByOne));
  if (failures.length > 0) throw failures[0];
}

/** Comes behind all the others. */
async function lastClients(address: string): Promise<void> {
  for (let i = 0; i < LAST; i++) {
    using client = await Client.to(address);
    assert.equal(await client.echo("still here\n"), "still here\n");
  }
}

for (
  const { name, args, permissions = ["--allow-net"] } of [
    { name: "line mode", args: [] },
    { name: "raw mode", args: ["--mode", "raw"] },
    { name: "a limit of 10 bytes", args: ["--max-line-length", "10"] },
    { name: "a limit of 7 connections", args: ["--max-connections", "7"] },
    {
      name: "two workers",
      args: ["--workers", "2"],
      permissions: ["--allow-net", "--allow-read"],
    },
  ]
) {
  Deno.test({
    name: `random clients lose no byte and leave nothing behind: ${name}`,
    ignore: !PROGRAM || name === "two workers" && Deno.build.os !== "linux",
  }, async () => {
    await using program = await Program.listening(args, { permissions });
    const before = PROC ? await program.usage() : undefined;
    await fuzz(program.port, SEED);
    await lastClients(`tcp://127.0.0.1:${program.port}`);
    using client = await Client.connect(program.port);
    assert.equal(await client.echo("still here\n"), "still here\n");
    if (before) {
      const after = await program.fallsTo(before.descriptors + 1);
      const grown = after.memory - before.memory;
      assert.ok(grown <= RUNTIME, `memory grew by ${grown} bytes`);
    }
    program.kill();
    assert.equal(await client.receive(), null);
    client.close();
    const { code, stderr } = await program.ended();
    assert.equal(code, 0);
    if (before) assert.match(stderr, /draining 1 connections?\b/);
    const [, served, gone = 0] = stderr.match(
      /stopped: (\d+) connections? served(?:, (\d+) aborted)?/,
    )!;
    assert.equal(Number(served) + Number(gone), CLIENTS + LAST + 1);
    assert.doesNotMatch(stderr, /error|warning (?!7 connections open)/);
  });
}

for (const stream of ["tls", "unix"] as const) {
  Deno.test({
    name: `random clients lose no byte and leave nothing behind: ${stream}`,
    ignore: !CARRIES[stream],
  }, async () => {
    await using program = await serveOver(stream);
    using client = await Client.to(program.address);
    assert.equal(await client.echo("first\n"), "first\n");
    const before = PROC ? await program.usage() : undefined;
    await fuzz(program.address, SEED);
    await lastClients(program.address);
    if (before) await program.fallsTo(before.descriptors);
    program.kill();
    assert.equal(await client.receive(), null);
    client.close();
    const { code, stderr } = await program.ended();
    assert.equal(code, 0);
    const served = 1 + CLIENTS + LAST;
    assert.match(stderr, RegExp(`stopped: ${served} connections served`));
    assert.doesNotMatch(stderr, /warning|error/);
  });
}

for (const [stream, parameters] of [["tls", ""], ["tcp", "proxy=127.0.0.1"]]) {
  Deno.test({
    name: `random strangers are no harm: ${stream} ${parameters}`.trimEnd(),
    ignore: !CARRIES[stream as Stream],
  }, async () => {
    await using program = await serveOver(stream as Stream, parameters, [
      "--admin",
      "0",
    ]);
    const before = await Metrics.of(program);
    assert.equal(before.sum("connections_accepted_total"), 0);
    await fuzz(netAddress(program.address).port, SEED, anyStranger);
    const metrics = await Metrics.until(
      program,
      (metrics) => metrics.sum("connections_open") === 0,
    );
    const sum = (name: string) => metrics.sum(`connections_${name}`);
    assert.ok(sum("rejected_total") > 0);
    assert.equal(
      sum("accepted_total"),
      sum("closed_total") + sum("rejected_total"),
    );
    using client = await Client.to(program.address);
    if (parameters) await client.send("PROXY UNKNOWN\r\n");
    assert.equal(await client.echo("still here\n"), "still here\n");
    client.close();
    program.kill();
    const { code, stderr } = await program.ended();
    assert.equal(code, 0);
    assert.doesNotMatch(stderr, /warning|error/);
  });
}

Deno.test({
  name: "random clients leave no timer and no resource in the server's process",
  ignore: !NET || EXECUTABLE !== undefined,
}, async () => {
  // Whatever were left, the sanitizers of the test would find.
  const server = await EchoServer.start({ port: 0, host: "127.0.0.1" });
  await fuzz(server.addr.port, SEED);
  using client = await Client.connect(server.addr.port);
  assert.equal(await client.echo("still here\n"), "still here\n");
  const shutdown = server.shutdown();
  assert.equal(await client.receive(), null);
  client.close();
  await shutdown;
});
