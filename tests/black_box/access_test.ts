/**
 * Who is served, and what each is told first.
 *
 * @module
 */

import assert from "node:assert/strict";
import net from "node:net";
import { Client, netAddress, text } from "../support/client.ts";
import { Metrics } from "../support/metrics.ts";
import { IPV6, NO_TLS, PROGRAM, Program, run } from "../support/program.ts";
import { CARRIES, serveOver } from "../support/transports.ts";

const ignore = !PROGRAM;
const LINUX = Deno.build.os === "linux";

function serve(
  ...args: string[]
): Promise<Program & { address: string }> {
  return serveOver("tcp", "", ["--verbose", "--admin", "0", ...args]);
}

/** Checks that the server sends FIN and no byte, before it is sent any. */
async function assertRefused(port: number, hostname?: string): Promise<void> {
  using client = await Client.connect(port, hostname);
  assert.equal(await client.receive(), null);
}

/** Connects from another address of this machine, and gives what comes back. */
async function echoFrom(
  localAddress: string,
  port: number,
  sent: string,
): Promise<string> {
  const socket = net.connect({ host: "127.0.0.1", port, localAddress });
  const closed = new Promise((resolve) => socket.on("close", resolve));
  let back = "";
  socket.on("data", (part) => back += part);
  socket.end(sent);
  await closed;
  return back;
}

for (
  const { args, allowed, refused } of [
    { args: ["--allow", "127.0.0.1"], allowed: 1, refused: 2 },
    { args: ["--allow", "127.0.0.2,10.0.0.0/8"], allowed: 2, refused: 1 },
    { args: ["--deny", "127.0.0.2/32"], allowed: 1, refused: 2 },
    {
      args: ["--allow", "127.0.0.0/8", "--deny", "127.0.0.1"],
      allowed: 2,
      refused: 1,
    },
  ]
) {
  Deno.test({
    name: `addresses are served or refused: ${args.join(" ")}`,
    // Other systems have no 127.0.0.2 unless it is set up.
    ignore: ignore || !LINUX,
  }, async () => {
    await using program = await serve(...args);
    const { port } = netAddress(program.address);
    assert.equal(await echoFrom(`127.0.0.${allowed}`, port, "in\n"), "in\n");
    assert.equal(await echoFrom(`127.0.0.${refused}`, port, ""), "");
    await program.saw(
      RegExp(
        ` debug rejected 127\\.0\\.0\\.${refused}:\\d+ on ${program.address}: ` +
          "address not allowed\n",
      ),
    );
    const metrics = await Metrics.until(
      program,
      (metrics) => metrics.sum("connections_open") === 0,
    );
    const sum = (name: string, labels = {}) =>
      metrics.sum(`connections_${name}`, labels);
    assert.equal(sum("accepted_total"), 2);
    assert.equal(sum("closed_total"), 1);
    assert.equal(sum("rejected_total", { reason: "access" }), 1);
    program.kill();
    const { stderr } = await program.ended();
    assert.match(stderr, /stopped: [^\n]*\b1 rejected\b/);
  });
}

Deno.test({
  name: "an IPv4 address is refused as itself where IPv6 is listened on",
  ignore: ignore || !IPV6 || !LINUX,
}, async () => {
  await using program = await Program.listeningAt(["tcp://[::]:0"], [
    "--deny",
    "127.0.0.1",
  ]);
  const { port } = netAddress(program.addresses[0]!);
  await assertRefused(port);
  using other = await Client.connect(port, "::1");
  assert.equal(await other.echo("hello\n"), "hello\n");
});

Deno.test({
  name: "a refused client is not asked for a TLS handshake",
  ignore: NO_TLS,
}, async () => {
  await using program = await serveOver("tls", "", ["--deny", "127.0.0.1"]);
  await assertRefused(netAddress(program.address).port);
});

Deno.test({
  name: "an address has no more connections at a time than it may",
  ignore,
}, async () => {
  await using program = await serve("--max-per-address", "2");
  const { port } = netAddress(program.address);
  const first = await Client.connect(port);
  using second = await Client.connect(port);
  for (const client of [first, second]) {
    assert.equal(await client.echo("in\n"), "in\n");
  }
  await assertRefused(port);
  if (LINUX) assert.equal(await echoFrom("127.0.0.2", port, "in\n"), "in\n");
  await first.closeWrite();
  assert.equal(await first.receive(), null);
  first.close();
  // After its FIN the server closes it.
  await Metrics.until(
    program,
    (metrics) => metrics.sum("connections_open") === 1,
  );
  using third = await Client.connect(port);
  assert.equal(await third.echo("in\n"), "in\n");
  await assertRefused(port);
  const metrics = await Metrics.of(program);
  const refused = { reason: "per_address" };
  assert.equal(metrics.sum("connections_rejected_total", refused), 2);
});

for (
  const args of [
    ["--allow", "127.0.0.1/33"],
    ["--deny", "localhost"],
    ["--allow", ""],
    ["--max-per-address", "-1"],
    ["--name", ""],
    ["--greeting=yes"],
  ]
) {
  Deno.test({
    name: `wrong use is exit 2 and one line: ${args.join(" ")}`,
    ignore,
  }, async () => {
    const { code, stderr } = await run(args);
    assert.equal(code, 2);
    assert.match(stderr, /^echoserver: [^\n]+\n$/);
    assert.ok(stderr.includes(args[0]!.split("=")[0]!), stderr);
  });
}

// Greeting

for (const stream of ["tcp", "tls", "unix"] as const) {
  Deno.test({
    name: `a connection begins with who answers (${stream})`,
    ignore: !CARRIES[stream],
  }, async () => {
    const name = 'shop "Ö" \\1';
    await using program = await serveOver(stream, "", [
      ...["--greeting", "--name", name, "--verbose"],
    ]);
    for (const connection of [1, 2, 3]) {
      using client = await Client.to(program.address);
      await client.send("hello\ntail");
      await client.closeWrite();
      const [greeting, ...echo] = text(await client.receiveAll()).split("\n");
      const said = JSON.parse(greeting!);
      assert.deepEqual(Object.keys(said), [
        "name",
        "listener",
        "peer",
        "client",
        "connection",
      ]);
      assert.equal(said.name, name);
      assert.equal(said.listener, program.address);
      assert.equal(said.connection, connection);
      assert.equal(said.client, said.peer);
      if (stream === "tcp") {
        assert.equal(said.peer, `127.0.0.1:${client.localAddr.port}`);
      }
      assert.deepEqual(echo, ["hello", "tail"]);
      // It is no echo.
      await program.sawTimes(connection, / closed: 10 bytes in, 10 bytes out/);
    }
  });
}

Deno.test({
  name: "connections count from 1 on each listener, rejected ones included",
  ignore: ignore || !LINUX,
}, async () => {
  await using program = await serve("--greeting", "--deny", "127.0.0.2");
  const { port } = netAddress(program.address);
  assert.equal(await echoFrom("127.0.0.2", port, ""), "");
  await program.saw(/rejected/);
  const greeting = await echoFrom("127.0.0.1", port, "");
  assert.equal(JSON.parse(greeting).connection, 2);
});
