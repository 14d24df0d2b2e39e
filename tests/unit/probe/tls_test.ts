import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { probe } from "../../../lib/probe/probe.ts";
import { MisbehavingServer } from "../../support/misbehaving_server.ts";
import { NET } from "../../support/program.ts";
import { CERTIFICATE } from "../../support/certificate.ts";
import { TlsEcho } from "../../support/tls_echo.ts";

const ignore = !NET;
const FINGERPRINT = new X509Certificate(CERTIFICATE).fingerprint256;

Deno.test({
  name: "probe over TLS trusts the certificate that it is given",
  ignore,
}, async () => {
  await using server = await TlsEcho.start();
  for (const host of ["127.0.0.1", "localhost"]) {
    const report = await probe(`tls://${host}:${server.port}`, {
      connections: 2,
      inFlight: 4,
      count: 100,
      size: 5000,
      caCert: CERTIFICATE,
    });
    assert.equal(report.lines, 100);
    assert.equal(report.ok, true);
    assert(report.connect_ms.p50! > 0);
  }
});

Deno.test({
  name: "probe over TLS trusts a fingerprint, with colons or without",
  ignore,
}, async () => {
  await using server = await TlsEcho.start();
  const bare = FINGERPRINT.replaceAll(":", "").toLowerCase();
  for (const fingerprint of [FINGERPRINT, bare]) {
    const options = { connections: 1, count: 10, fingerprint };
    const report = await probe(`tls://127.0.0.1:${server.port}`, options);
    assert.equal(report.ok, true);
  }
});

Deno.test({
  name: "probe over TLS opens a connection for each line if it is told to",
  ignore,
}, async () => {
  await using server = await TlsEcho.start();
  const report = await probe(`tls://127.0.0.1:${server.port}`, {
    connections: 2,
    count: 6,
    reconnect: true,
    fingerprint: FINGERPRINT,
  });
  assert.equal(report.connections, 6);
  assert.equal(report.ok, true);
});

Deno.test({
  name: "probe over TLS says in one line that it does not trust",
  ignore,
}, async () => {
  await using server = await TlsEcho.start();
  const address = `tls://127.0.0.1:${server.port}`;
  const options = { connections: 2, count: 10 };
  await assert.rejects(probe(address, options), {
    message:
      `Cannot connect to ${address}: the certificate is not trusted: self-signed certificate`,
  });
  const otherName = `tls://[::ffff:127.0.0.1]:${server.port}`;
  await assert.rejects(
    probe(otherName, { ...options, caCert: CERTIFICATE }),
    /: the certificate is not trusted: it does not name ::ffff:127\.0\.0\.1$/,
  );
  const fingerprint = "00".repeat(32);
  await assert.rejects(probe(address, { ...options, fingerprint }), {
    message: new RegExp(
      `^Cannot connect to ${address}: the certificate has the fingerprint [0-9a-f]{64}$`,
    ),
  });
});

Deno.test({
  name: "probe over TLS says in one line that there is no TLS",
  ignore,
}, async () => {
  await using server = await MisbehavingServer.start(
    (byte, _, { send }) => send(byte),
    { size: 1 },
  );
  await assert.rejects(probe(`tls://${server.address}`, { count: 1 }), {
    message: /^Cannot connect to tls:.*[^\n]$/,
  });
});

Deno.test({
  name: "probe over TLS gives up a handshake that is not answered",
  ignore,
}, async () => {
  await using server = await MisbehavingServer.start(() => {});
  const report = await probe(`tls://${server.address}`, {
    connections: 2,
    count: 10,
    timeout: 0.2,
  });
  assert.equal(report.errors.timeout, 2);
  assert.equal(report.ok, false);
});
