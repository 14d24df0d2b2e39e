import assert from "node:assert/strict";
import { isIP } from "node:net";
import fc from "fast-check";
import {
  formatIp,
  isHost,
  listenerName,
  parseIp,
  showAddress,
  toAddress,
  unmapped,
} from "../../../lib/net/address.ts";

function hexOf(bytes: number[]): string {
  return Uint8Array.from(bytes).toHex();
}

Deno.test("toAddress keeps transport, hostname and port", () => {
  for (const transport of ["tcp", "udp"] as const) {
    const addr = { transport, hostname: "2001:db8::7", port: 1050 };
    assert.deepEqual(toAddress(addr), addr);
  }
});

Deno.test("toAddress gives plain objects, whatever it is given", () => {
  const plain = { transport: "tcp", hostname: "192.0.2.7", port: 1050 };
  const addr: Deno.Addr = Object.assign(Object.create(null), plain);
  assert.deepEqual(toAddress(addr), plain);
});

Deno.test("toAddress makes IPv4-mapped addresses IPv4, in both forms", () => {
  for (
    const [hostname, plain] of [
      ["::ffff:127.0.0.1", "127.0.0.1"],
      ["::ffff:7f00:1", "127.0.0.1"],
      ["::ffff:0:1", "0.0.0.1"],
      ["::ffff:1", "::ffff:1"],
      ["::1", "::1"],
      ["192.0.2.7", "192.0.2.7"],
    ] as const
  ) {
    const addr = toAddress({ transport: "tcp", hostname, port: 1 });
    assert.equal(addr.hostname, plain);
  }
});

Deno.test("toAddress shows paths, abstract names and sockets without a name", () => {
  for (
    const [path, shown] of [
      ["/run/echo.sock", "/run/echo.sock"],
      ["\0echo", "@echo"],
      ["", ""],
      [null, ""],
    ] as [string, string][]
  ) {
    assert.deepEqual(
      toAddress({ transport: "unix", path }),
      { transport: "unix", hostname: "", port: 0, path: shown },
    );
  }
});

for (
  const [text, can] of [
    ["127.0.0.1", true],
    ["::1", true],
    ["fe80::1%eth0", true],
    ["localhost", true],
    ["a_b.example", true],
    ["", false],
    ["127.0.0.1:80", false],
    ["localhost:80", false],
    ["[::1]", false],
    ["[a]", false],
    ["a b", false],
    ["a%b", false],
    ["a/b", false],
    ["me@a", false],
  ] as const
) {
  Deno.test(`${JSON.stringify(text)} ${can ? "can" : "cannot"} be a host`, () => {
    assert.equal(isHost(text), can);
  });
}

Deno.test("toAddress throws for VSOCK", () => {
  assert.throws(
    () => toAddress({ transport: "vsock", cid: 2, port: 1050 }),
    new TypeError("Cannot use an address: unknown transport: vsock"),
  );
});

Deno.test("showAddress and listenerName write what people write", () => {
  const tcp = { transport: "tcp", hostname: "127.0.0.1", port: 1050 } as const;
  const six = { transport: "tcp", hostname: "::1", port: 1050 } as const;
  const unix = toAddress({ transport: "unix", path: "\0echo" });
  assert.equal(showAddress({ hostname: "example", port: 7 }), "example:7");
  assert.equal(showAddress(tcp), "127.0.0.1:1050");
  assert.equal(showAddress(six), "[::1]:1050");
  assert.equal(showAddress(unix), "unix:@echo");
  assert.equal(listenerName("tcp", tcp), "tcp://127.0.0.1:1050");
  assert.equal(listenerName("tls", six), "tls://[::1]:1050");
  assert.equal(listenerName("udp", tcp), "udp://127.0.0.1:1050");
  assert.equal(listenerName("unix", unix), "unix:@echo");
});

Deno.test("parseIp reads IPv4 and IPv6", () => {
  for (
    const [text, hex] of [
      ["0.0.0.0", "00000000"],
      ["192.0.2.7", "c0000207"],
      ["255.255.255.255", "ffffffff"],
      ["::", "00000000000000000000000000000000"],
      ["::1", "00000000000000000000000000000001"],
      ["1::", "00010000000000000000000000000000"],
      ["2001:DB8::0a", "20010db800000000000000000000000a"],
      ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
      ["1:2:3:4:5:6:7::", "00010002000300040005000600070000"],
      ["::ffff:192.0.2.7", "00000000000000000000ffffc0000207"],
      ["1:2:3:4:5:6:192.0.2.7", "000100020003000400050006c0000207"],
    ] as const
  ) assert.equal(hexOf(parseIp(text)!), hex, text);
});

Deno.test("parseIp refuses what is not exactly an IP address", () => {
  for (
    const text of [
      "",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.4.",
      ".1.2.3",
      "1..2.3",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.00",
      "1.2.3.4 ",
      "1.2.3.+4",
      "0x1.2.3.4",
      "1.2.3.٤",
      "localhost",
      ":",
      ":::",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "1:2:3:4:5:6:7:8::",
      "1::2:3:4:5:6:7:8",
      "1::2::3",
      "1:",
      ":1",
      "12345::",
      "g::",
      "::1.2.3",
      "::1.2.3.4:5",
      "1.2.3.4::",
      "1.2.3.4::1",
      "::01.2.3.4",
      "fe80::1%lo",
      "[::1]",
    ]
  ) assert.equal(parseIp(text), undefined, text);
});

Deno.test("parseIp takes what node:net takes, and nothing else", () => {
  const text = fc.string({
    unit: fc.constantFrom(..."0129afg", ":", "::", ".", "25", "0.0."),
    maxLength: 16,
  });
  fc.assert(
    fc.property(text, (text) => {
      const length = { 0: undefined, 4: 4, 6: 16 }[isIP(text)];
      assert.equal(parseIp(text)?.length, length);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("formatIp writes IPv6 in the form of RFC 5952", () => {
  for (
    const [text, canonical] of [
      ["2001:0DB8:0:0:0:0:2:1", "2001:db8::2:1"],
      ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
      ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
      ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
      ["0:0:0:0:0:0:0:0", "::"],
      ["1:0:0:0:0:0:0:0", "1::"],
      ["0:0:0:0:0:0:0:1", "::1"],
      ["::ffff:c000:207", "::ffff:192.0.2.7"],
      ["192.0.2.7", "192.0.2.7"],
    ] as const
  ) assert.equal(formatIp(parseIp(text)!), canonical);
});

Deno.test("parseIp reads what formatIp writes", () => {
  const ip = fc.constantFrom(4, 16).chain((length) =>
    fc.array(fc.oneof(fc.constant(0), fc.nat(255)), {
      minLength: length,
      maxLength: length,
    })
  );
  fc.assert(fc.property(ip, (ip) => {
    assert.deepEqual(parseIp(formatIp(ip)), ip);
  }));
});

Deno.test("unmapped leaves every address that is not IPv4-mapped", () => {
  assert.equal(hexOf(unmapped(parseIp("::ffff:1.2.3.4")!)), "01020304");
  for (const text of ["::fffe:1.2.3.4", "1::ffff:1.2.3.4", "1.2.3.4"]) {
    const ip = parseIp(text)!;
    assert.equal(unmapped(ip), ip);
  }
});
