import {
  checkCertificate,
  factsOf,
  fingerprint,
} from "../../../lib/net/certificate.ts";
import { makeCertificate } from "../../../lib/net/self_signed.ts";
import assert from "node:assert/strict";
import { createHash, X509Certificate } from "node:crypto";
import fc from "fast-check";
import { NET, PROGRAM } from "../../support/program.ts";

const OPENSSL = PROGRAM && await hasOpenssl();
const WRITE = (await Deno.permissions.query({ name: "write" })).state ===
  "granted";

if (PROGRAM && !OPENSSL) {
  console.log("Tests against openssl are ignored: it is not installed.");
}

async function hasOpenssl(): Promise<boolean> {
  try {
    const command = new Deno.Command("openssl", {
      args: ["version"],
      stdout: "null",
      stderr: "null",
    });
    return (await command.output()).success;
  } catch {
    return false;
  }
}

Deno.test("A made certificate names localhost and the hosts, but no unspecified address", () => {
  const hosts = ["0.0.0.0", "::", "Echo.Example", "10.1.2.3", "FD00::1:0:2"];
  const { cert } = makeCertificate([...hosts, "127.0.0.1", "fe80::1%lo"]);
  assert.deepEqual(new X509Certificate(cert).subjectAltName?.split(", "), [
    "DNS:localhost",
    "IP Address:127.0.0.1",
    "IP Address:::1",
    "DNS:echo.example",
    "IP Address:10.1.2.3",
    "IP Address:fd00::1:0:2",
    "IP Address:fe80::1",
  ]);
});

Deno.test("A certificate is made for what is no name too", () => {
  const { cert, key } = makeCertificate(["a|\u00fc\u4e2d"]);
  checkCertificate(cert, key);
});

Deno.test("A made certificate is no CA, and valid for 397 days from an hour ago", () => {
  const now = new Date("2026-02-03T04:05:06Z");
  const certificate = new X509Certificate(
    (makeCertificate([], now)).cert,
  );
  assert.equal(certificate.ca, false);
  assert.equal(
    Date.parse(certificate.validFrom),
    Date.parse("2026-02-03T03:05:06Z"),
  );
  assert.equal(
    Date.parse(certificate.validTo),
    Date.parse("2027-03-07T03:05:05Z"),
  );
});

Deno.test("A made certificate outlives two-digit years", () => {
  const { cert } = makeCertificate([], new Date("2049-06-01T00:00:00Z"));
  assert.match(new X509Certificate(cert).validTo, /2050/);
});

Deno.test("Made certificates are each signed by their own key", () => {
  // Numbers in DER lose leading zeros: one in 128 signatures has them.
  for (let i = 0; i < 40; i++) {
    const { cert, key } = makeCertificate([]);
    const certificate = new X509Certificate(cert);
    assert.ok(certificate.verify(certificate.publicKey));
    checkCertificate(cert, key);
  }
});

Deno.test("Made certificates differ in their serial numbers", () => {
  const [one, other] = [makeCertificate([]), makeCertificate([])];
  assert.notEqual(
    new X509Certificate(one.cert).serialNumber,
    new X509Certificate(other.cert).serialNumber,
  );
});

Deno.test("A made certificate names any IPv6 address", () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const { cert } = makeCertificate([address]);
      const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
      if (short === "::") return;
      assert.ok(new X509Certificate(cert).checkIP(short), address);
    }),
    { numRuns: 30 },
  );
});

Deno.test({
  name: "openssl verifies a made certificate strictly",
  ignore: !OPENSSL || !WRITE,
  async fn() {
    const file = await Deno.makeTempFile();
    try {
      const { cert } = makeCertificate(["echo.example", "fd00::1"]);
      await Deno.writeTextFile(file, cert);
      const { stdout, stderr } = await new Deno.Command("openssl", {
        args: ["verify", "-x509_strict", "-CAfile", file, file],
      }).output();
      const text = new TextDecoder();
      assert.equal(text.decode(stderr), "");
      assert.equal(text.decode(stdout), `${file}: OK\n`);
    } finally {
      await Deno.remove(file);
    }
  },
});

Deno.test({
  name: "Deno's TLS client trusts a made certificate",
  ignore: !NET,
  async fn() {
    const { cert, key } = makeCertificate([]);
    const host = { hostname: "127.0.0.1", port: 0 };
    using listener = Deno.listenTls({ ...host, cert, key });
    const [server, client] = await Promise.all([
      listener.accept(),
      Deno.connectTls({ port: listener.addr.port, caCerts: [cert] }),
    ]);
    await Promise.all([server.handshake(), client.handshake()]);
    server.close();
    client.close();
  },
});

Deno.test("A fingerprint is the SHA-256 of the first certificate", () => {
  const { cert } = makeCertificate([]);
  const { cert: other } = makeCertificate([]);
  const expected = createHash("sha256").update(new X509Certificate(cert).raw)
    .digest("hex");
  assert.match(expected, /^[0-9a-f]{64}$/);
  assert.equal(fingerprint(`words before\n${cert}${other}`), expected);
});

Deno.test("A fingerprint of no certificate is refused", () => {
  assert.throws(() => fingerprint("nothing"), {
    message: "Cannot use the certificate: it is no PEM certificate",
  });
});

Deno.test("Checking a certificate finds version 1 of X.509", () => {
  assert.throws(() => checkCertificate(VERSION_1, VERSION_1_KEY), {
    message:
      "Cannot use the certificate: it is of X.509 version 1 or 2, and must be of version 3",
  });
});

const VERSION_1 = `-----BEGIN CERTIFICATE-----
MIIBFzCBvQIUTzDZNEUgu/2GQ1X+0MzPYnGCm68wCgYIKoZIzj0EAwIwDjEMMAoG
A1UEAwwDZm9vMB4XDTI2MTEyNTE5MzA0NloXDTI2MTIyNTE5MzA0NlowDjEMMAoG
A1UEAwwDZm9vMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEDHuU1K6OY+e2oGdu
M76C4NReyIGZI1CZ7N98tgEEDm9DVw4n7n5KmoB/2m8JfC1ZM/z2kDhBcSFbUF06
11kZWjAKBggqhkjOPQQDAgNJADBGAiEApanluHaMv++EjlnixHWqcszlePREiB97
O9bZo/5VwHcCIQCamMY4wDnpbja6RNZ2b8IGdhkdHfkQ++lAvSlVnHuXFw==
-----END CERTIFICATE-----
`;
const VERSION_1_KEY = `-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIEdaoYgLddXaRhzwdQw3ytp8gS+ws+1bXO/fiHocYX6/oAoGCCqGSM49
AwEHoUQDQgAEDHuU1K6OY+e2oGduM76C4NReyIGZI1CZ7N98tgEEDm9DVw4n7n5K
moB/2m8JfC1ZM/z2kDhBcSFbUF0611kZWg==
-----END EC PRIVATE KEY-----
`;

Deno.test("What is told of a certificate are its names and its time", () => {
  const made = new Date("2026-02-03T04:05:06Z");
  const { cert } = makeCertificate(["echo.example"], made);
  const times = {
    validFrom: "2026-02-03T03:05:06.000Z",
    validTo: "2027-03-07T03:05:05.000Z",
  };
  const names = "localhost, 127.0.0.1, ::1, echo.example";
  for (
    const [now, valid] of [
      ["2026-02-03T03:00:00Z", false],
      ["2026-02-03T04:05:06Z", true],
      ["2027-03-08T00:00:00Z", false],
    ] as const
  ) {
    assert.deepEqual(factsOf(cert, Date.parse(now)), {
      names,
      ...times,
      valid,
    });
  }
  assert.equal((factsOf(VERSION_1)).names, "no name");
});

const ENCRYPTED = `-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHj
-----END ENCRYPTED PRIVATE KEY-----
`;
const EMPTY = (label: string) =>
  `-----BEGIN ${label}-----\nAAAA\n-----END ${label}-----\n`;

for (
  const [name, change, cause] of [
    ["no certificate", { cert: "words" }, /: it is no PEM certificate$/],
    ["an empty file", { cert: "" }, /: it is no PEM certificate$/],
    [
      "a damaged certificate",
      { cert: EMPTY("CERTIFICATE") },
      /: it is damaged$/,
    ],
    ["no key", { key: "words" }, /: its key is no PEM private key, or an enc/],
    ["an encrypted key", { key: ENCRYPTED }, /: its key is no PEM private key/],
    ["a damaged key", { key: EMPTY("PRIVATE KEY") }, /: its key is damaged or/],
  ] as const
) {
  Deno.test(`Checking a certificate finds ${name}`, () => {
    const pair = { ...makeCertificate([]), ...change };
    assert.throws(() => checkCertificate(pair.cert, pair.key), {
      name: "InvalidData",
      message: cause,
    });
  });
}

Deno.test("Checking a certificate finds the key of another one", () => {
  const { cert } = makeCertificate([]);
  const { key } = makeCertificate([]);
  assert.throws(() => checkCertificate(cert, key), {
    message:
      "Cannot use the certificate: its key belongs to another certificate",
  });
});
