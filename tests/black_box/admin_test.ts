/**
 * The admin server of the program: health, metrics, connections, events.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Client, midLine, reset, text } from "../support/client.ts";
import { adminOf, fetchText, Metrics } from "../support/metrics.ts";
import { PROGRAM, Program, run, succeeds } from "../support/program.ts";

const ignore = !PROGRAM;
const WINDOWS = Deno.build.os === "windows";

/** Debian's package `prometheus` has it. */
const PROMTOOL = PROGRAM && await succeeds("promtool", "--version");

if (PROGRAM && !PROMTOOL) {
  console.log(
    "The test of metrics by promtool is ignored: it is not installed.",
  );
}

type Listening = Program & { port: number };

function serve(...args: string[]): Promise<Listening> {
  return Program.listening(["--admin", "127.0.0.1:0", ...args]);
}

/** The status of a response, whose body is not wanted. */
async function statusOf(url: string, method = "GET"): Promise<number> {
  const response = await fetch(url, { method });
  await response.body?.cancel();
  return response.status;
}

Deno.test({
  name: "the admin server is the first to be ready, and only loopback's",
  ignore,
}, async () => {
  await using program = await Program.listening(["--admin", "0"]);
  const [first, second] = program.stderr.trimEnd().split("\n");
  assert.match(
    first!,
    /^\S+ info admin listening on http:\/\/127\.0\.0\.1:\d+$/,
  );
  assert.match(second!, / info listening on 127\.0\.0\.1:\d+$/);
  const admin = await adminOf(program);
  assert.equal(await statusOf(`${admin}/livez`), 200);
  assert.equal(await statusOf(`${admin}/readyz`), 200);
  assert.equal(await statusOf(`${admin}/`), 200);
  assert.equal(await statusOf(`${admin}/nothing`), 404);
  assert.equal(await statusOf(`${admin}/livez`, "POST"), 405);
  assert.equal(await statusOf(`${admin}/metrics`, "HEAD"), 200);
});

Deno.test({
  name: "an admin port that is taken ends the start, and no echo port is bound",
  ignore,
}, async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const args = ["--admin", `${taken.addr.port}`, "--host", "127.0.0.1"];
  const { code, stderr } = await run([...args, "--port", "0"]);
  assert.equal(code, 1);
  assert.match(stderr, /^\S+ error Cannot listen on [^\n]* in use[^\n]*\n$/);
});

Deno.test({
  name: "/readyz is 503 and the admin server answers while clients are drained",
  ignore: ignore || WINDOWS,
}, async () => {
  await using program = await serve("--shutdown-timeout", "86400");
  const admin = await adminOf(program);
  using client = await midLine(program);
  using silent = await Client.connect(program.port);
  assert.equal(await silent.echo("in\n"), "in\n");
  // Streams of events that are held open.
  const streams = await Promise.all(
    Array.from({ length: 3 }, () => fetch(`${admin}/events`)),
  );
  const readers = streams.map(({ body }) => body!.getReader());
  for (const reader of readers) {
    const { value } = await reader.read();
    assert.match(text(value!), /^data: \{/);
  }
  program.kill();
  assert.equal(await silent.receive(), null);
  // Before that FIN it was so already.
  assert.equal(await statusOf(`${admin}/readyz`), 503);
  assert.equal(await statusOf(`${admin}/livez`), 200);
  silent.close();
  const metrics = await Metrics.until(
    program,
    (metrics) => metrics.sum("connections_open") === 1,
  );
  assert.equal(metrics.sum("connections_accepted_total"), 2);
  await client.send(" a line\n");
  assert.equal(text(await client.receiveAll()), "half a line\n");
  client.close();
  // Nobody closes the streams but the server.
  for (const reader of readers) {
    while (!(await reader.read()).done);
  }
  assert.equal((await program.ended()).code, 0);
});

Deno.test({
  name: "/readyz is 503 from the first moment of a drain, before any FIN",
  ignore: ignore || WINDOWS,
}, async () => {
  // The FIN comes late: a client in mid-line may finish its line.
  await using program = await serve("--shutdown-timeout", "86400");
  const admin = await adminOf(program);
  using client = await midLine(program);
  program.kill();
  await program.saw(/draining 1 connection\b/);
  assert.equal(await statusOf(`${admin}/readyz`), 503);
  await client.send("\n");
  assert.equal(text(await client.receiveAll()), "half\n");
  client.close();
  assert.equal((await program.ended()).code, 0);
});

/** Connections that end in every way, and some that stay. */
async function anyConnections(program: Listening): Promise<Client[]> {
  const open = await Promise.all(
    Array.from({ length: 5 }, () => Client.connect(program.port)),
  );
  for (const client of open) assert.equal(await client.echo("1\n"), "1\n");
  for (let i = 0; i < 5; i++) {
    using client = await Client.connect(program.port);
    await client.send("closed\n");
    await client.closeWrite();
    assert.equal((await client.receiveAll()).length, 7);
    await reset(program.port, "reset\n", 6);
  }
  await program.sawTimes(10, /connection \S+ (closed|reset): /);
  return open;
}

for (const workers of ["1", "2"]) {
  Deno.test({
    name: `/metrics adds up, over all of ${workers} threads`,
    ignore: ignore || workers !== "1" && Deno.build.os !== "linux",
  }, async () => {
    await using program = await Program.listening([
      ...["--admin", "0", "--workers", workers, "--verbose", "--name", 'a"b\\'],
    ], { permissions: ["--allow-net", "--allow-read"] });
    const open = await anyConnections(program);
    const metrics = await Metrics.of(program);
    const listener = `tcp://127.0.0.1:${program.port}`;
    const sum = (name: string, labels = {}) =>
      metrics.sum(name, { listener, ...labels });
    assert.equal(sum("connections_accepted_total"), 15);
    assert.equal(sum("connections_open"), 5);
    assert.equal(sum("connections_closed_total", { ending: "closed" }), 5);
    assert.equal(sum("connections_closed_total", { ending: "reset" }), 5);
    assert.equal(sum("connections_closed_total"), 10);
    assert.equal(sum("connections_rejected_total"), 0);
    // Those of open connections are among them.
    const moved = 5 * (2 + 7 + 6);
    assert.equal(sum("received_bytes_total"), moved);
    assert.equal(sum("sent_bytes_total"), moved);
    assert.equal(sum("connection_duration_seconds_count"), 10);
    assert.equal(metrics.sum("restarts_total"), 0);
    assert.equal(metrics.sum("build_info", { name: 'a\\"b\\\\' }), 1);
    // A peer is nobody's business but the log's.
    for (const client of open) {
      assert.ok(!metrics.text.includes(`:${client.localAddr.port}`));
      client.close();
    }
    const later = await Metrics.until(
      program,
      (metrics) => metrics.sum("connections_open") === 0,
    );
    assert.equal(later.sum("connections_closed_total"), 15);
  });
}

Deno.test({
  name: "promtool finds nothing wrong with /metrics",
  ignore: !PROMTOOL,
}, async () => {
  await using program = await Program.listeningAt(
    ["tcp://127.0.0.1:0", "udp://127.0.0.1:0"],
    ["--admin", "0", "--name", 'a"b\\'],
  );
  using client = await Client.to(program.addresses[0]!);
  assert.equal(await client.echo("hello\n"), "hello\n");
  const promtool = new Deno.Command("promtool", {
    args: ["check", "metrics"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = promtool.stdin.getWriter();
  await writer.write(
    new TextEncoder().encode((await Metrics.of(program)).text),
  );
  await writer.close();
  const { code, stdout, stderr } = await promtool.output();
  assert.equal(text(stdout) + text(stderr), "");
  assert.equal(code, 0);
});

for (const workers of ["1", "2"]) {
  Deno.test({
    name: `/connections tells who is connected, over all of ${workers} threads`,
    ignore: ignore || workers !== "1" && Deno.build.os !== "linux",
  }, async () => {
    await using program = await Program.listening(
      ["--admin", "0", "--workers", workers],
      { permissions: ["--allow-net", "--allow-read"] },
    );
    const admin = await adminOf(program);
    const empty = JSON.parse(await fetchText(`${admin}/connections`));
    assert.deepEqual(empty, { total: 0, connections: [] });
    const clients: Client[] = [];
    for (let i = 1; i <= 8; i++) {
      const client = await Client.connect(program.port);
      assert.equal((await client.echo(`${"x".repeat(i)}\n`)).length, i + 1);
      await client.send("held");
      clients.push(client);
    }
    const { total, connections } = JSON.parse(
      await fetchText(`${admin}/connections`),
    );
    assert.equal(total, 8);
    const byPeer = new Map<string, Record<string, unknown>>(
      connections.map((one: { peer: string }) => [one.peer, one]),
    );
    for (const [i, client] of clients.entries()) {
      const peer = `127.0.0.1:${client.localAddr.port}`;
      const { connection, seconds, bytesIn, ...rest } = byPeer.get(peer)!;
      assert.deepEqual(rest, {
        listener: `tcp://127.0.0.1:${program.port}`,
        peer,
        client: peer,
        bytesOut: i + 2,
      });
      assert.ok(Number(connection) >= 1);
      assert.ok(Number(seconds) >= 0 && Number(seconds) < 60);
      assert.ok(bytesIn === i + 2 || bytesIn === i + 6);
      client.close();
    }
  });
}

Deno.test({
  name: "a client that is no browser, and one that only connects, are no harm",
  ignore,
}, async () => {
  await using program = await serve();
  const admin = await adminOf(program);
  const port = Number(new URL(admin).port);
  using silent = await Client.connect(port);
  for (
    const request of [
      "hello\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      `GET /${"x".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      "GET /%%% HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ]
  ) {
    using client = await Client.connect(port);
    // It may be answered, and closed, before all of it is sent.
    await client.send(request).catch(() => {});
    const back = await client.receive().catch(() => null);
    if (back) assert.match(text(back), /^HTTP\/1\.1 4\d\d /);
  }
  assert.equal(await statusOf(`${admin}/livez`), 200);
  using honest = await Client.connect(program.port);
  assert.equal(await honest.echo("honest\n"), "honest\n");
  silent.close();
});

Deno.test({
  name: "SIGUSR1 logs the state in one line, and changes nothing",
  ignore: ignore || WINDOWS,
}, async () => {
  await using program = await Program.listening();
  using client = await Client.connect(program.port);
  assert.equal(await client.echo("hello\n"), "hello\n");
  program.kill("SIGUSR1");
  await program.saw(
    /\n\S+ info ready: 1 connection open; since \S+: [^\n]*6 bytes in, 6 bytes out\n/,
  );
  assert.equal(await client.echo("hello\n"), "hello\n");
  await client.send("half");
  program.kill();
  await program.saw(/draining 1 connection\b/);
  program.kill("SIGUSR1");
  await program.saw(/ info draining: 1 connection open; [^\n]+\n/);
  await client.send("\n");
  assert.equal(text(await client.receiveAll()), "half\n");
  client.close();
  const { code, stderr } = await program.ended();
  assert.equal(code, 0);
  assert.equal(stderr.trimEnd().split("\n").length, 5);
});
