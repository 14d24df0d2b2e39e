/**
 * TLS, as those see it who connect by other means than they should, and those
 * who ask who is there.
 *
 * @module
 */

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import net from "node:net";
import tls from "node:tls";
import { CERTIFICATE, certificateFiles, KEY } from "../support/certificate.ts";
import {
  bytes,
  Client,
  connectAll,
  netAddress,
  text,
} from "../support/client.ts";
import { Metrics } from "../support/metrics.ts";
import {
  EXECUTABLE,
  NO_TLS,
  PROC,
  Program,
  run,
  STUCK_WRITES,
} from "../support/program.ts";
import { serveOver, WITH_FILES } from "../support/transports.ts";

const ignore = NO_TLS;

/** What a client that trusts anybody is shown of the server. */
async function shown(address: string): Promise<tls.PeerCertificate> {
  const { hostname: host, port } = netAddress(address);
  const secure = Promise.withResolvers<tls.PeerCertificate>();
  const socket = tls.connect({ host, port, rejectUnauthorized: false }, () => {
    secure.resolve(socket.getPeerCertificate());
    socket.destroy();
  });
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.on("error", secure.reject);
  const certificate = await secure.promise;
  await closed;
  return certificate;
}

// Who is there

for (const threads of [1, 2]) {
  Deno.test({
    name: `a self-signed certificate is told of first: ${threads} threads`,
    ignore: ignore || threads > 1 && Deno.build.os !== "linux",
  }, async () => {
    await using program = await Program.listeningAt(
      ["tls://127.0.0.1:0"],
      ["--workers", `${threads}`],
      { permissions: ["--allow-net", "--allow-read"] },
    );
    const [first] = program.stderr.split("\n");
    const [, fingerprint] = first!.match(
      / info self-signed certificate made, SHA-256 ([0-9a-f]{64})$/,
    )!;
    const address = program.addresses[0]!;
    // Any thread may answer.
    for (let i = 0; i < 20; i++) {
      const { fingerprint256, subjectaltname } = await shown(address);
      assert.equal(
        fingerprint256.replaceAll(":", "").toLowerCase(),
        fingerprint,
      );
      assert.match(subjectaltname!, /DNS:localhost, IP Address:127\.0\.0\.1/);
    }
    const probe = ["probe", "-n", "10", "--fingerprint"];
    const trusting = await run([...probe, fingerprint!, address]);
    assert.equal(trusting.code, 0, trusting.stderr + trusting.stdout);
    const wary = await run([...probe, "0".repeat(64), address]);
    assert.equal(wary.code, 1);
  });
}

Deno.test({
  name: "a certificate of one's own is used, and none is made",
  ignore,
}, async () => {
  await using program = await serveOver("tls");
  using client = await Client.to(program.address);
  assert.equal(await client.echo("hello\n"), "hello\n");
  assert.doesNotMatch(program.stderr, /self-signed/);
  const [, fingerprint] = await program.saw(
    / info certificate for localhost, 127\.0\.0\.1, valid until 2126-11-01, SHA-256 ([0-9a-f]{64})\n/,
  );
  const bare = new X509Certificate(CERTIFICATE).fingerprint256
    .replaceAll(":", "").toLowerCase();
  assert.equal(fingerprint, bare);
});

Deno.test({
  name: "a certificate that cannot be used ends the start with one line",
  ignore,
}, async () => {
  await using files = await certificateFiles();
  const { directory } = files;
  const file = async (name: string, content: string) => {
    await Deno.writeTextFile(`${directory}/${name}`, content);
    return `${directory}/${name}`;
  };
  const cert = `${directory}/cert.pem`;
  const key = `${directory}/key.pem`;
  const none = await file("none.pem", "nothing\n");
  const broken = await file("broken.pem", CERTIFICATE.replace("MII", "xxx"));
  const other = await file("other.pem", await otherKey());
  for (
    const [certFile, keyFile, named] of [
      [`${directory}/missing.pem`, key, "missing.pem"],
      [cert, `${directory}/missing.pem`, "missing.pem"],
      [none, key, "none.pem"],
      [cert, none, "none.pem"],
      [broken, key, "certificate"],
      [key, key, "certificate"],
      [cert, other, "key"],
    ] as const
  ) {
    const args = ["--listen", "tls://127.0.0.1:0"];
    const { code, stderr } = await run(
      [...args, "--tls-cert", certFile, "--tls-key", keyFile],
      { permissions: WITH_FILES },
    );
    assert.equal(code, 1, stderr);
    assert.match(stderr, /^\S+ error Cannot [^\n]+\n$/);
    assert.ok(stderr.includes(named), stderr);
    assert.ok(!stderr.includes(KEY.split("\n")[1]!), stderr);
  }
});

/** A private key that is of no certificate. */
async function otherKey(): Promise<string> {
  const { privateKey } = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["sign"],
  );
  const der = await crypto.subtle.exportKey("pkcs8", privateKey);
  const base64 = new Uint8Array(der).toBase64();
  return `-----BEGIN PRIVATE KEY-----\n${base64}\n-----END PRIVATE KEY-----\n`;
}

Deno.test({
  name: "a certificate that may not be read names the permission",
  ignore: ignore || EXECUTABLE !== undefined,
}, async () => {
  await using files = await certificateFiles();
  const args = ["--listen", "tls://127.0.0.1:0", ...files.options];
  const { code, stderr } = await run(args);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^[^\n]*Cannot read the certificate[^\n]*--allow-read\n$/,
  );
});

Deno.test({
  name: "client and server agree on a protocol, the server's choice",
  ignore,
}, async () => {
  await using program = await serveOver("tls", "alpn=echo/2,echo/1");
  for (
    const [alpnProtocols, agreed] of [
      [["echo/1", "echo/2"], "echo/2"],
      [["echo/1"], "echo/1"],
      [undefined, null],
    ] as const
  ) {
    using conn = await Deno.connectTls({
      ...netAddress(program.address),
      caCerts: [CERTIFICATE],
      ...alpnProtocols && { alpnProtocols: [...alpnProtocols] },
    });
    assert.equal((await conn.handshake()).alpnProtocol ?? null, agreed);
  }
});

// Clients that behave otherwise

Deno.test({
  name: "a client that speaks no TLS is rejected, and disturbs nobody",
  ignore,
}, async () => {
  await using program = await serveOver("tls", "", [
    "--verbose",
    "--admin",
    "0",
  ]);
  const { port } = netAddress(program.address);
  using honest = await Client.to(program.address);
  for (
    const what of ["GET / HTTP/1.1\r\n\r\n", "hello\n", "\x16\x03\x01\0\0"]
  ) {
    using client = await Client.connect(port);
    await client.send(what);
    const back = await client.receiveAll();
    // At most an alert comes back, and no echo.
    assert.ok(back.length === 0 || back[0] === 0x15, Deno.inspect(back));
    assert.equal(await honest.echo("honest\n"), "honest\n");
  }
  const lines = await program.sawTimes(
    3,
    / debug rejected 127\.0\.0\.1:\d+ on tls:\/\/127\.0\.0\.1:\d+: [^\n]+\n/,
  );
  assert.equal(lines.length, 3);
  const metrics = await Metrics.of(program);
  const rejected = { reason: "handshake" };
  assert.equal(metrics.sum("connections_rejected_total", rejected), 3);
  assert.equal(metrics.sum("connections_accepted_total"), 4);
  assert.equal(metrics.sum("connections_open"), 1);
});

Deno.test({
  name:
    "a client that leaves without close_notify gets its tail, and not a fault",
  ignore,
}, async () => {
  await using program = await serveOver("tls", "", ["--verbose"]);
  const { hostname, port } = netAddress(program.address);
  const raw = net.connect({ host: hostname, port, allowHalfOpen: true });
  const socket = tls.connect({ socket: raw, ca: CERTIFICATE, host: hostname });
  let back = "";
  socket.on("data", (part) => back += part);
  const ended = new Promise((resolve) => socket.on("end", resolve));
  const closed = new Promise((resolve) => raw.on("close", resolve));
  await new Promise<void>((resolve, reject) =>
    socket.write("whole\ntail", (error) => error ? reject(error) : resolve())
  );
  // FIN of TCP, and nothing of TLS before it.
  raw.end();
  await ended;
  assert.equal(back, "whole\ntail");
  socket.destroy();
  raw.destroy();
  await closed;
  await program.saw(/ closed: 10 bytes in, 10 bytes out/);
});

Deno.test({
  name:
    "a client that breaks TLS once it is served is closed at once, as reset",
  ignore,
}, async () => {
  await using program = await serveOver("tls", "", ["--verbose"]);
  using honest = await Client.to(program.address);
  const { hostname, port } = netAddress(program.address);
  const raw = net.connect({ host: hostname, port });
  const socket = tls.connect({ socket: raw, ca: CERTIFICATE, host: hostname });
  socket.on("error", () => {});
  const closed = new Promise((resolve) => raw.on("close", resolve));
  const echoed = new Promise((resolve) => socket.once("data", resolve));
  socket.write("hello\n");
  await echoed;
  raw.write("no record of TLS\n");
  await program.saw(/ debug connection \S+ reset: 6 bytes in, 6 bytes out/);
  raw.destroy();
  await closed;
  assert.equal(await honest.echo("honest\n"), "honest\n");
  assert.doesNotMatch(program.stderr, / (warning|error) /);
});

Deno.test({
  name: "a silent client over TLS is closed as idle, with what was held",
  ignore,
}, async () => {
  await using program = await serveOver("tls", "idle-timeout=1", ["--verbose"]);
  using client = await Client.to(program.address);
  await client.send("whole\nheld");
  assert.equal(text(await client.receiveAll()), "whole\nheld");
  await program.saw(/ idle: 10 bytes in, 10 bytes out/);
});

Deno.test({
  name: "a signal ends a handshake at once, and no deadline is waited for",
  ignore: ignore || Deno.build.os === "windows",
}, async () => {
  await using program = await serveOver("tls", "", [
    "--shutdown-timeout",
    "86400",
    "--admin",
    "0",
  ]);
  const { port } = netAddress(program.address);
  const silent = await connectAll(port, 10);
  await Metrics.until(
    program,
    (metrics) => metrics.sum("connections_accepted_total") === 10,
  );
  program.kill();
  for (const client of silent) {
    assert.equal((await client.receiveAll()).length, 0);
    client.close();
  }
  const { code, stderr } = await program.ended();
  assert.equal(code, 0);
  // So it would say of those whose ten seconds are over.
  assert.doesNotMatch(stderr, /rejected/);
});

Deno.test({
  name:
    "clients that never shake hands, name their client or read give descriptors back",
  ignore: ignore || STUCK_WRITES || !PROC,
}, async () => {
  await using files = await certificateFiles();
  await using program = await Program.listeningAt(
    [
      "tls://127.0.0.1:0",
      "tls://127.0.0.1:0?idle-timeout=1",
      "tcp://127.0.0.1:0?proxy=127.0.0.1",
    ],
    ["--admin", "0", ...files.options],
    { permissions: WITH_FILES },
  );
  const [patient, brief, proxied] = program.addresses;
  // What the first of its kind opens stays.
  using client = await Client.to(brief!);
  await client.closeWrite();
  await client.receiveAll();
  const before = await program.usage();

  const silent = await connectAll(netAddress(patient!).port, 100);
  const vague = await connectAll(netAddress(proxied!).port, 10);
  for (const client of vague) await client.send("PROXY ");
  const deaf = await Promise.all(
    Array.from({ length: 20 }, () => Client.to(brief!)),
  );
  const lines = bytes(`${"x".repeat(63)}\n`.repeat(1024));
  const stuck = deaf.map(async (client) => {
    // Ends when the server closes, which fails the write.
    await assert.rejects(async () => {
      for (;;) await client.send(lines);
    });
  });
  await Promise.all(stuck);
  for (const client of [...silent, ...vague]) {
    // At most an alert.
    await client.receiveAll();
  }
  // Nobody has closed at the other end.
  await program.fallsTo(before.descriptors + 1);
  for (const client of [...silent, ...vague, ...deaf]) client.close();
  const metrics = await Metrics.of(program);
  const sum = (name: string, label = {}) =>
    metrics.sum(`connections_${name}`, label);
  assert.equal(sum("rejected_total", { reason: "handshake" }), 100);
  assert.equal(sum("rejected_total", { reason: "proxy" }), 10);
  assert.equal(sum("closed_total", { ending: "idle" }), 20);
  assert.equal(sum("open"), 0);
});
