/**
 * Several listeners at once: what is told of them, what each has of its own,
 * and what they share.
 *
 * @module
 */

import assert from "node:assert/strict";
import { lookup } from "node:dns/promises";
import { EchoServer } from "../../lib/mod.ts";
import { certificateFiles } from "../support/certificate.ts";
import { Client, netAddress, text } from "../support/client.ts";
import { Metrics } from "../support/metrics.ts";
import {
  type Ended,
  IPV6,
  NET,
  NO_TLS,
  PROGRAM,
  Program,
  run,
} from "../support/program.ts";
import { UdpClient } from "../support/udp_client.ts";
import { abstractName, freeUrl, WITH_FILES } from "../support/transports.ts";

const ignore = !PROGRAM;
const LINUX = Deno.build.os === "linux";

/** Whether `localhost` means both 127.0.0.1 and ::1 here. */
const BOTH_FAMILIES = PROGRAM && IPV6 &&
  (await lookup("localhost", { all: true }))
      .map(({ address }) => address).sort().join() === "127.0.0.1,::1";

if (PROGRAM && !BOTH_FAMILIES) {
  console.log(
    "The test of a name with two addresses is ignored: localhost has one here.",
  );
}

/** Runs the program with these listeners to its end. */
function runWith(urls: string[], ...args: string[]): Promise<Ended> {
  return run([...args, ...urls.flatMap((url) => ["--listen", url])], {
    permissions: ["--allow-all"],
  });
}

/** Checks that it could not run, and said why in one line. */
function assertFailed({ code, stderr, stdout }: Ended, why: RegExp): void {
  assert.equal(code, 1, stderr);
  assert.match(stderr, why);
  assert.match(stderr, /^[^\n]+\n$/);
  assert.equal(stdout, "");
}

// What is told

Deno.test({
  name: "listeners are announced in their order, behind the admin server",
  ignore: ignore || NO_TLS || !LINUX,
}, async () => {
  await using files = await certificateFiles();
  const path = `unix:${files.directory}/socket`;
  const name = abstractName();
  const urls = [
    "udp://127.0.0.1:0",
    path,
    "tls://127.0.0.1:0",
    "tcp://127.0.0.1:0",
    name,
    "tcp://:0",
  ];
  await using program = await Program.listeningAt(
    urls,
    ["--admin", "0", ...files.options],
    { permissions: ["--allow-all"] },
  );
  const lines = program.stderr.trimEnd().split("\n")
    .filter((line) => /listening/.test(line))
    .map((line) => line.replace(/^\S+ info /, "").replace(/:\d+$/, ":PORT"));
  assert.deepEqual(lines, [
    "admin listening on http://127.0.0.1:PORT",
    "listening on udp://127.0.0.1:PORT",
    `listening on ${path}`,
    "listening on tls://127.0.0.1:PORT",
    "listening on 127.0.0.1:PORT",
    `listening on ${name}`,
    "listening on 0.0.0.0:PORT",
  ]);
  // The port of each is the one that it got.
  for (const address of program.addresses.slice(1)) {
    using client = await Client.to(address.replace("0.0.0.0", "127.0.0.1"));
    assert.equal(await client.echo("hello\n"), "hello\n");
  }
  using datagrams = UdpClient.to(program.addresses[0]!);
  assert.equal(await datagrams.echo("hello"), "hello");
});

Deno.test({
  name: "a name of two addresses is listened on at both, on one port",
  ignore: ignore || !BOTH_FAMILIES,
}, async () => {
  for (const args of [[], ["--workers", "2"]]) {
    if (args.length > 0 && !LINUX) continue;
    await using program = await Program.listeningAt(
      ["tcp://localhost:0"],
      args,
      { permissions: ["--allow-net", "--allow-read"] },
    );
    const said = await program.sawTimes(2, /listening on (\S+):(\d+)\n/);
    assert.deepEqual(said.map(([, host]) => host).sort(), [
      "127.0.0.1",
      "[::1]",
    ]);
    const [port, other] = said.map(([, , port]) => Number(port));
    assert.equal(port, other);
    for (const host of ["127.0.0.1", "::1"]) {
      using client = await Client.connect(port!, host);
      assert.equal(await client.echo("hello\n"), "hello\n");
    }
  }
});

Deno.test({
  name: "the address of all IPv6 interfaces is that of IPv4, too",
  ignore: ignore || !IPV6 || !LINUX,
}, async () => {
  await using program = await Program.listeningAt(["tcp://[::]:0"], [
    "--greeting",
  ]);
  const { port } = netAddress(program.addresses[0]!);
  for (const host of ["127.0.0.1", "::1"]) {
    using client = await Client.connect(port, host);
    await client.closeWrite();
    const { peer } = JSON.parse(text(await client.receiveAll()));
    // Not as IPv4 within IPv6.
    assert.equal(peer.replace(/:\d+$/, ""), host.replace("::1", "[::1]"));
  }
});

// All or none

for (const transport of ["tcp", "tls", "udp"] as const) {
  Deno.test({
    name: `a ${transport} port that is taken ends the start with one line`,
    ignore: ignore || transport === "tls" && NO_TLS,
  }, async () => {
    await using files = await certificateFiles();
    const path = `${files.directory}/socket`;
    using stack = new DisposableStack();
    const taken = transport === "udp"
      ? Deno.listenDatagram({ transport, hostname: "127.0.0.1", port: 0 })
      : Deno.listen({ hostname: "127.0.0.1", port: 0 });
    stack.defer(() => taken.close());
    const { port } = taken.addr as Deno.NetAddr;
    const ended = await runWith([
      "tcp://127.0.0.1:0",
      ...LINUX ? [`unix:${path}`] : [],
      `${transport}://127.0.0.1:${port}`,
    ], ...transport === "tls" ? files.options : []);
    const lines = ended.stderr.split("\n").filter((line) =>
      !/certificate/.test(line)
    ).join("\n");
    assertFailed(
      { ...ended, stderr: lines },
      RegExp(`Cannot listen on \\S*127\\.0\\.0\\.1:${port}: .*in use`),
    );
    // The socket that was bound before it has gone again.
    await assert.rejects(Deno.lstat(path), Deno.errors.NotFound);
  });
}

Deno.test({
  name: "when one listener cannot be bound, none stays bound",
  ignore: !NET,
}, async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  await assert.rejects(
    EchoServer.start({
      listen: [
        `tcp://127.0.0.1:${port}`,
        `udp://127.0.0.1:${port}`,
        `tcp://127.0.0.1:${taken.addr.port}`,
      ],
    }),
    Deno.errors.AddrInUse,
  );
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});

// What each has of its own

Deno.test({
  name: "each listener has its mode, its limits and its greeting",
  ignore,
}, async () => {
  await using program = await Program.listeningAt([
    "tcp://127.0.0.1:0?mode=raw",
    "tcp://127.0.0.1:0?max-line-length=3",
    "tcp://127.0.0.1:0?idle-timeout=1",
    "tcp://127.0.0.1:0?greeting=off",
    "tcp://127.0.0.1:0",
  ], ["--greeting", "--name", "shop"]);
  const [raw, short, brief, plain, other] = await Promise.all(
    program.addresses.map((address) => Client.to(address)),
  );
  for (const [i, client] of [raw, short, brief, plain, other].entries()) {
    if (client === plain) continue;
    const { hostname, port } = client!.localAddr;
    const peer = `${hostname}:${port}`;
    const greeting = JSON.stringify({
      name: "shop",
      listener: program.addresses[i],
      peer,
      client: peer,
      connection: 1,
    });
    assert.equal(
      await client!.receiveText(greeting.length + 1),
      `${greeting}\n`,
    );
  }
  assert.equal(await raw!.echo("held"), "held");
  assert.equal(await short!.echo("held"), "held");
  // These wait for the LF, longer than the brief one may.
  await plain!.send("held");
  await other!.send("held");
  assert.equal(await brief!.receive(), null);
  for (const client of [plain, other]) {
    await client!.send("\n");
    assert.equal(await client!.receiveText(5), "held\n");
  }
  for (const client of [raw, short, brief, plain, other]) client!.close();
});

// What they share

Deno.test({
  name: "one limit of connections holds over all listeners",
  ignore: ignore || NO_TLS || !LINUX,
}, async () => {
  await using files = await certificateFiles();
  await using program = await Program.listeningAt(
    ["tcp", "tls", "unix"].map(freeUrl),
    ["--max-connections", "2", ...files.options],
    { permissions: WITH_FILES },
  );
  const [tcp, tls, unix] = program.addresses;
  const over = Promise.withResolvers<void>();
  const first = await Client.to(tcp!);
  assert.equal(await first.echo("first\n"), "first\n");
  using second = await Client.to(unix!);
  assert.equal(await second.echo("second\n"), "second\n");
  const served: string[] = [];
  const one = Promise.withResolvers<void>();
  const waiting = [tls!, tcp!].map(async (address) => {
    using client = await Client.to(address);
    assert.equal(await client.echo("waits\n"), "waits\n");
    served.push(address);
    one.resolve();
    await over.promise;
  });
  // Enough turns to serve either of them.
  const turns = async () => {
    for (let i = 0; i < 200; i++) {
      assert.equal(await second.echo("turn\n"), "turn\n");
    }
  };
  await turns();
  assert.deepEqual(served, []);
  await program.saw(/ 2 connections open, other clients wait/);
  // One place is for one of them, whichever listener it came to.
  first.close();
  await Promise.race([one.promise, ...waiting]);
  await turns();
  assert.equal(served.length, 1);
  over.resolve();
  await Promise.all(waiting);
});

Deno.test({
  name: "threads share TCP and TLS, and the first one has UDP and Unix",
  ignore: ignore || NO_TLS || !LINUX,
}, async () => {
  const CLIENTS = 40;
  await using files = await certificateFiles();
  await using program = await Program.listeningAt(
    ["tcp", "tls", "unix", "udp"].map(freeUrl),
    ["--workers", "2", "--greeting", "--admin", "0", ...files.options],
    { permissions: WITH_FILES },
  );
  const [tcp, tls, unix, udp] = program.addresses;
  for (const address of [tcp, tls, unix]) {
    const numbers: number[] = [];
    for (let i = 0; i < CLIENTS; i++) {
      using client = await Client.to(address!);
      await client.send("line\n");
      await client.closeWrite();
      const [greeting, line] = text(await client.receiveAll()).split("\n");
      assert.equal(line, "line");
      numbers.push(JSON.parse(greeting!).connection);
    }
    // Each thread counts its own.
    const threads = numbers.filter((number) => number === 1).length;
    assert.equal(threads, address === unix ? 1 : 2);
  }
  using datagrams = UdpClient.to(udp!);
  for (let i = 0; i < 10; i++) {
    assert.equal(await datagrams.echo(`${i}`), `${i}`);
  }

  const metrics = await Metrics.of(program);
  const sum = (name: string, listener: string) =>
    metrics.sum(name, { listener });
  for (const address of [tcp, tls, unix]) {
    assert.equal(sum("connections_accepted_total", address!), CLIENTS);
  }
  assert.equal(sum("datagrams_sent_total", udp!), 10);
  program.kill();
  assert.equal((await program.ended()).code, 0);
});

// Wrong use

for (
  const [args, names] of [
    [["--listen", "tcp://:0", "--port", "1"], "--port"],
    [["--listen", "tcp://:0", "--host", "::1"], "--host"],
    [["--listen", "tcp://:0?colour=red"], "colour"],
    [["--listen", "tcp://:0?mode=raw&mode=line"], "mode"],
    [["--listen", "tcp://:0?alpn=h2"], "alpn"],
    [["--listen", "tcp://:0?loss=0.5"], "loss"],
    [["--listen", "udp://:0?mode=raw"], "mode"],
    [["--listen", "udp://:0?proxy=::/0"], "proxy"],
    [["--listen", "unix:@x?proxy=::/0"], "proxy"],
    [["--listen", "tcp://:0?proxy=10.0.0.0/33"], "proxy"],
    [["--listen", "tcp://:0?mode=words"], "mode"],
    [["--listen", "tcp://:0?mode"], "mode"],
    [["--listen", "tcp://:0?idle-timeout=-1"], "idle-timeout"],
    [["--listen", "tcp://:0?max-line-length=1Gi"], "max-line-length"],
    [["--listen", "tcp://localhost"], "port"],
    [["--listen", "tcp://::1:0"], "brackets"],
    [["--listen", "tcp://:70000"], "port"],
    [["--listen", "1050"], "tcp://:1050"],
    [["--listen", "http://:0"], "tcp://HOST:PORT"],
    [["--listen", `unix:${"x".repeat(108)}`], "107"],
    [["--listen", "unix:"], "path"],
    [["--listen", "tcp://:0", "--tls-cert", "x"], "--tls-key"],
  ] as [string[], string][]
) {
  Deno.test({
    name: `wrong use is exit 2 and one line: ${args.join(" ").slice(0, 60)}`,
    ignore,
  }, async () => {
    const { code, stderr, stdout } = await run(args);
    assert.equal(code, 2);
    assert.match(stderr, /^echoserver: [^\n]+\n$/);
    assert.ok(stderr.includes(names), stderr);
    assert.equal(stdout, "");
  });
}
