/**
 * UDP: each datagram goes back to its sender, once, and only to clients.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { netAddress } from "../support/client.ts";
import { Metrics } from "../support/metrics.ts";
import { EXECUTABLE, IPV6, PROGRAM, Program, run } from "../support/program.ts";
import { LARGEST, UdpClient } from "../support/udp_client.ts";

const ignore = !PROGRAM;

const FORGE = import.meta.resolve("../support/forged_datagrams.ts");

/** Whether the system lets us forge where a datagram comes from. */
const CAN_FORGE = PROGRAM && Deno.build.os === "linux" && await forge(9);

if (PROGRAM && !CAN_FORGE) {
  console.log(
    "The test of forged datagrams is ignored: only root on Linux can send them.",
  );
}

/**
 * Sends a datagram to a port of 127.0.0.1 from each of others.
 *
 * @returns Whether that could be done.
 */
async function forge(to: number, from: number[] = []): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-ffi", FORGE, ...[to, ...from].map(String)],
    stderr: "null",
  }).output();
  return success;
}

/** Ports of services that answer by themselves. */
const ANSWERING = [7, 13, 17, 19, 37, 53, 123];

async function serve(
  url = "udp://127.0.0.1:0",
  ...args: string[]
): Promise<Program & { address: string }> {
  const program = await Program.listeningAt([url], ["--admin", "0", ...args]);
  return Object.assign(program, { address: program.addresses[0]! });
}

/** Checks how many datagrams it has received and sent. */
async function assertCounts(
  program: Program,
  received: number,
  sent: number,
): Promise<void> {
  const metrics = await Metrics.until(
    program,
    (metrics) =>
      metrics.sum("datagrams_received_total") >= received &&
      metrics.sum("datagrams_sent_total") >= sent,
  );
  assert.equal(metrics.sum("datagrams_received_total"), received);
  assert.equal(metrics.sum("datagrams_sent_total"), sent);
}

for (const host of ["127.0.0.1", "[::1]"]) {
  Deno.test({
    name: `datagrams of all sizes come back from ${host}, once each`,
    ignore: ignore || host !== "127.0.0.1" && !IPV6,
  }, async () => {
    await using program = await serve(`udp://${host}:0`);
    using client = UdpClient.to(program.address);
    for (const size of [0, 1, 2, 1472, 5001, 65_000, LARGEST]) {
      const sent = crypto.getRandomValues(
        new Uint8Array(Math.min(size, 65_536)),
      );
      await client.send(sent);
      assert.deepEqual(await client.receive(), sent);
    }
    assert.deepEqual(await client.receiveAll(), []);
    await assertCounts(program, 7, 7);
  });
}

Deno.test({
  name: "any datagrams come back, each to its sender",
  ignore,
}, async () => {
  await using program = await serve();
  using one = UdpClient.to(program.address);
  using other = UdpClient.to(program.address);
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 2000 }),
      fc.uint8Array({ maxLength: 2000 }),
      async (first, second) => {
        await one.send(first);
        await other.send(second);
        assert.deepEqual(await other.receive(), Uint8Array.from(second));
        assert.deepEqual(await one.receive(), Uint8Array.from(first));
      },
    ),
  );
  assert.deepEqual(await one.receiveAll(), []);
  assert.deepEqual(await other.receiveAll(), []);
});

Deno.test({
  name: "services that answer by themselves, and the server, get no answer",
  ignore: ignore || !CAN_FORGE,
}, async () => {
  await using program = await serve();
  const { port } = netAddress(program.address);
  const unanswered = [...ANSWERING, port];
  assert.ok(await forge(port, [...unanswered, 2007]));
  // The last one came from none of them.
  await assertCounts(program, unanswered.length + 1, 1);
  using client = UdpClient.to(program.address);
  assert.equal(await client.echo("still here"), "still here");
});

Deno.test({
  name: "an answer that nobody takes ends nothing",
  ignore,
}, async () => {
  await using program = await serve();
  // It is there before: else it could have the port of one that is gone.
  using client = UdpClient.to(program.address);
  for (let i = 0; i < 50; i++) {
    // The system reports to the server that the port is closed.
    using gone = UdpClient.to(program.address);
    await gone.send("gone\n");
  }
  assert.equal(await client.echo("still here"), "still here");
});

Deno.test({
  name: "access is asked of datagrams, and connections an address has are not",
  ignore,
}, async () => {
  await using open = await serve(
    undefined,
    ...["--allow", "127.0.0.0/8", "--max-per-address", "1"],
  );
  using one = UdpClient.to(open.address);
  using other = UdpClient.to(open.address);
  assert.equal(await one.echo("one"), "one");
  assert.equal(await other.echo("other"), "other");

  await using closed = await serve(undefined, "--deny", "127.0.0.1");
  using denied = UdpClient.to(closed.address);
  await denied.send("denied");
  await assertCounts(closed, 1, 0);
  assert.deepEqual(await denied.receiveAll(), []);
});

Deno.test({
  name: "a UDP server ends at the signal, and tells what it has served",
  ignore: ignore || Deno.build.os === "windows",
}, async () => {
  await using program = await serve();
  using client = UdpClient.to(program.address);
  assert.equal(await client.echo("hello"), "hello");
  program.kill();
  const { code, stderr } = await program.ended();
  assert.equal(code, 0);
  assert.match(stderr, /stopped: [^\n]*1 datagram in, 1 datagram out\n/);
});

Deno.test({
  name: "datagrams that arrive before the signal are answered, also late ones",
  ignore: ignore || Deno.build.os === "windows",
}, async () => {
  for (const url of ["udp://127.0.0.1:0", "udp://127.0.0.1:0?latency=50ms"]) {
    await using program = await serve(url);
    using client = UdpClient.to(program.address);
    // What it does not run for is in the kernel before it hears of the signal.
    program.kill("SIGSTOP");
    const sent = Array.from({ length: 100 }, (_, i) => `${i}`);
    for (const datagram of sent) await client.send(datagram);
    program.kill();
    program.kill("SIGCONT");
    const { code, stderr } = await program.ended();
    assert.equal(code, 0);
    assert.match(stderr, /100 datagrams in, 100 datagrams out/);
    assert.deepEqual(await client.receiveAll(), sent);
  }
});

Deno.test({
  name: "UDP needs the permission for all addresses, and says so in one line",
  ignore: ignore || EXECUTABLE !== undefined,
}, async () => {
  for (const permissions of [["--allow-net=127.0.0.1"], []]) {
    const args = ["--listen", "udp://127.0.0.1:0"];
    const { code, stderr } = await run(args, { permissions });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^\S+ error Cannot listen on udp:\/\/\S+: [^\n]*--allow-net for all addresses\n$/,
    );
  }
});
