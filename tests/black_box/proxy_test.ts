/**
 * The PROXY protocol: who stands behind a proxy, and what comes of a header
 * that is none.
 *
 * @module
 */

import assert from "node:assert/strict";
import net from "node:net";
import { Duplex } from "node:stream";
import tls from "node:tls";
import fc from "fast-check";
import { CERTIFICATE } from "../support/certificate.ts";
import { joined } from "../support/chunks.ts";
import { bytes, Client, netAddress, text } from "../support/client.ts";
import { Metrics } from "../support/metrics.ts";
import { NO_TLS, PROGRAM, type Program } from "../support/program.ts";
import {
  binaryHeader,
  endpoints,
  headers,
  SIGNATURE,
} from "../support/proxy_headers.ts";
import { serveOver } from "../support/transports.ts";

const ignore = !PROGRAM;

const IPV4 = endpoints(
  Uint8Array.of(192, 0, 2, 1),
  Uint8Array.of(192, 0, 2, 2),
  4711,
  1050,
);
const V1 = bytes("PROXY TCP4 192.0.2.1 192.0.2.2 4711 1050\r\n");
const V2 = binaryHeader({ protocol: 0x11, addresses: IPV4, checksum: true });
const V2_IPV6 = binaryHeader({
  protocol: 0x21,
  addresses: endpoints(
    Uint8Array.fromHex("20010db8000000000000000000000001"),
    Uint8Array.fromHex("20010db8000000000000000000000002"),
    4711,
    1050,
  ),
  tlvs: [{ type: 2, value: bytes("example.com") }],
});
/** Of a health check by HAProxy. */
const LOCAL = binaryHeader({ command: 0x20, protocol: 0 });

/** A listener behind a proxy of this machine, that greets. */
function serve(
  parameters = "",
  ...args: string[]
): Promise<Program & { address: string }> {
  return serveOver("tcp", `proxy=127.0.0.1&greeting=on${parameters}`, [
    "--verbose",
    "--admin",
    "0",
    ...args,
  ]);
}

/** Sends and half-closes, and gives back the greeting and what follows it. */
async function talk(
  address: string,
  parts: Iterable<Uint8Array>,
): Promise<{ peer: string; client: string; ownPeer: string; echo: string }> {
  using client = await Client.to(address);
  const { hostname, port } = client.localAddr;
  for (const part of parts) await client.send(part);
  await client.closeWrite();
  const all = text(await client.receiveAll());
  const end = all.indexOf("\n") + 1;
  assert.ok(end > 0, `no greeting in "${all}"`);
  return {
    ...JSON.parse(all.slice(0, end)),
    ownPeer: `${hostname}:${port}`,
    echo: all.slice(end),
  };
}

/** Each byte by itself. */
function* oneByOne(all: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < all.length; i++) yield all.subarray(i, i + 1);
}

for (
  const { name, header, said } of [
    { name: "version 1", header: V1, said: "192.0.2.1:4711" },
    { name: "version 2", header: V2, said: "192.0.2.1:4711" },
    { name: "version 2, IPv6", header: V2_IPV6, said: "[2001:db8::1]:4711" },
    { name: "LOCAL", header: LOCAL, said: undefined },
    { name: "UNKNOWN", header: bytes("PROXY UNKNOWN\r\n"), said: undefined },
  ]
) {
  Deno.test({
    name: `a client behind a proxy is who the header says: ${name}`,
    ignore,
  }, async () => {
    await using program = await serve();
    const payload = bytes("whole\ntail");
    for (
      const parts of [
        [joined([header, payload])],
        [header, payload],
        oneByOne(joined([header, payload])),
      ]
    ) {
      const { peer, client, ownPeer, echo } = await talk(
        program.address,
        parts,
      );
      assert.equal(peer, ownPeer);
      assert.equal(client, said ?? ownPeer);
      assert.equal(echo, "whole\ntail");
      const who = said ? `${said} (via ${peer})` : peer;
      // The header is no part of what was received.
      await program.saw(
        RegExp(`connection ${RegExp.escape(who)} closed: 10 bytes in, 10 `),
      );
    }
  });
}

Deno.test({
  name: "any header and payload, cut anywhere, are told apart",
  ignore,
}, async () => {
  await using program = await serve();
  await fc.assert(
    fc.asyncProperty(
      headers,
      fc.uint8Array({ maxLength: 2000 }),
      fc.nat(4000),
      async ({ wire }, payload, cut) => {
        const all = joined([wire, payload]);
        using client = await Client.to(program.address);
        await client.send(all.subarray(0, cut));
        await client.send(all.subarray(cut));
        await client.closeWrite();
        const back = await client.receiveAll();
        const end = back.indexOf(0x0a) + 1;
        assert.ok(end > 0);
        assert.deepEqual(back.subarray(end), Uint8Array.from(payload));
      },
    ),
    { numRuns: 50 },
  );
  assert.doesNotMatch(program.stderr, /rejected/);
});

// What is no header

for (
  const [name, sent] of Object.entries({
    "other protocol": bytes("GET / HTTP/1.1\r\n"),
    "LF without CR": bytes("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"),
    "leading zero": bytes("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"),
    "port out of range": bytes("PROXY TCP4 192.0.2.1 192.0.2.2 1 99999\r\n"),
    "IPv6 called TCP4": bytes("PROXY TCP4 ::1 ::1 1 2\r\n"),
    "line too long": bytes(`PROXY UNKNOWN ${"x".repeat(107)}`),
    "empty lines": bytes("\r\n\r\n\r\n"),
    "version 3": joined([SIGNATURE, Uint8Array.of(0x31, 0x11, 0, 12), IPV4]),
    "unknown command": binaryHeader({
      command: 0x22,
      protocol: 0x11,
      addresses: IPV4,
    }),
    "addresses cut short": binaryHeader({ protocol: 0x11, length: 11 }),
    "longer than may be": binaryHeader({ protocol: 0x11, length: 5000 }),
    "wrong checksum": V2.with(V2.length - 1, V2.at(-1)! ^ 1),
  })
) {
  Deno.test({
    name: `a connection that begins with no header is rejected: ${name}`,
    ignore,
  }, async () => {
    await using program = await serve();
    using client = await Client.to(program.address);
    // Nothing more is awaited: not the client's FIN, and no time.
    await client.send(sent);
    assert.equal((await client.receiveAll()).length, 0);
    await program.saw(
      / debug rejected 127\.0\.0\.1:\d+ on tcp:\S+: bad PROXY header: [^\n]+\n/,
    );
    await assertRejected(program, 1);
    // Of what it sent nothing is in the log.
    assert.doesNotMatch(program.stderr, /HTTP|xxx/);
  });
}

Deno.test({
  name: "a connection that ends within the header is rejected, before it not",
  ignore,
}, async () => {
  await using program = await serve();
  using within = await Client.to(program.address);
  await within.send(V1.subarray(0, 10));
  await within.closeWrite();
  assert.equal((await within.receiveAll()).length, 0);
  // A health check that only connects.
  using before = await Client.to(program.address);
  await before.closeWrite();
  assert.equal((await before.receiveAll()).length, 0);
  before.close();
  await program.saw(
    / rejected \S+ on \S+: input ended within the PROXY header/,
  );
  await assertRejected(program, 1);
  const metrics = await Metrics.of(program);
  assert.equal(metrics.sum("connections_closed_total"), 1);
});

Deno.test({
  name: "a peer that is no trusted proxy is refused, whatever it sends",
  ignore,
}, async () => {
  await using program = await serveOver("tcp", "proxy=10.0.0.0/8,::1", [
    "--verbose",
    "--admin",
    "0",
  ]);
  using silent = await Client.to(program.address);
  assert.equal(await silent.receive(), null);
  await program.saw(/ debug rejected \S+ on \S+: not a trusted proxy\n/);
  await assertRejected(program, 1);
});

Deno.test({
  name: "before the first byte of a header the idle time-out rules",
  ignore,
}, async () => {
  await using program = await serve("&idle-timeout=1");
  using client = await Client.to(program.address);
  assert.equal(await client.receive(), null);
  await assertRejected(program, 0);
});

/** Checks how many were rejected for their header, and that the sums hold. */
async function assertRejected(program: Program, count: number): Promise<void> {
  const metrics = await Metrics.until(
    program,
    (metrics) => metrics.sum("connections_open") === 0,
  );
  const sum = (name: string) => metrics.sum(`connections_${name}`);
  assert.equal(
    metrics.sum("connections_rejected_total", { reason: "proxy" }),
    count,
  );
  assert.equal(sum("rejected_total"), count);
  assert.equal(sum("accepted_total"), sum("closed_total") + count);
}

// Access

Deno.test({
  name: "access is asked of the client that the header names",
  ignore,
}, async () => {
  await using program = await serve(
    "",
    ...["--deny", "192.0.2.0/24,127.0.0.1", "--max-per-address", "1"],
  );
  const named = async (header: string | Uint8Array) => {
    const client = await Client.to(program.address);
    await client.send(header);
    await client.send("hello\n");
    return client;
  };
  const other = "PROXY TCP4 198.51.100.1 192.0.2.2 1 2\r\n";
  using denied = await named(V1);
  assert.equal((await denied.receiveAll()).length, 0);
  using allowed = await named(other);
  assert.notEqual(await allowed.receive(), null);
  using another = await named(other);
  assert.equal((await another.receiveAll()).length, 0);
  // The proxy itself is not asked, however often it comes.
  using local = await named(LOCAL);
  assert.notEqual(await local.receive(), null);
  using unknown = await named("PROXY UNKNOWN\r\n");
  assert.notEqual(await unknown.receive(), null);
  await program.saw(
    / rejected 192\.0\.2\.1:4711 \(via \S+\) on \S+: address not/,
  );
  const metrics = await Metrics.of(program);
  for (const reason of ["access", "per_address"]) {
    assert.equal(metrics.sum("connections_rejected_total", { reason }), 1);
  }
});

// TLS

/**
 * What TLS is spoken over: a connection whose first write has the header before
 * it, in the same segment.
 */
function withHeader(raw: net.Socket, header: Uint8Array): Duplex {
  let before = header;
  const duplex = new Duplex({
    read() {},
    write(chunk: Uint8Array, _encoding, done) {
      raw.write(joined([before, chunk]), () => done());
      before = new Uint8Array();
    },
    final(done) {
      raw.end(() => done());
    },
  });
  raw.on("data", (part) => duplex.push(part));
  raw.on("end", () => duplex.push(null));
  return duplex;
}

Deno.test({
  name: "the header comes before TLS, also in one segment with its first bytes",
  ignore: NO_TLS,
}, async () => {
  await using program = await serveOver("tls", "proxy=127.0.0.1&greeting=on");
  const { hostname: host, port } = netAddress(program.address);
  for (const together of [true, false]) {
    const raw = net.connect({ host, port });
    const closed = new Promise((resolve) => raw.on("close", resolve));
    if (!together) {
      await new Promise<void>((resolve) => raw.write(V2, () => resolve()));
    }
    const socket = tls.connect({
      socket: withHeader(raw, together ? V2 : new Uint8Array()),
      ca: CERTIFICATE,
      host,
    });
    let back = "";
    socket.on("data", (part) => back += part);
    const ended = new Promise((resolve, reject) =>
      socket.on("end", resolve).on("error", reject)
    );
    socket.end("hello\n");
    await ended;
    const [greeting, ...echo] = back.split("\n");
    assert.equal(JSON.parse(greeting!).client, "192.0.2.1:4711");
    assert.deepEqual(echo, ["hello", ""]);
    raw.destroy();
    await closed;
  }
});

Deno.test({
  name: "a TLS client without a header is rejected",
  ignore: NO_TLS,
}, async () => {
  const args = ["--admin", "0", "--verbose"];
  await using program = await serveOver("tls", "proxy=127.0.0.1", args);
  await assert.rejects(
    Client.to(program.address).then((client) => {
      using _ = client;
      return client.echo("hello\n").then((back) => assert.notEqual(back, ""));
    }),
  );
  await assertRejected(program, 1);
});
