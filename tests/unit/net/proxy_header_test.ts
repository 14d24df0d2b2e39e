import assert from "node:assert/strict";
import fc from "fast-check";
import type { Address } from "../../../lib/net/address.ts";
import {
  MAX_HEADER,
  parseProxyHeader,
  type ProxyParse,
} from "../../../lib/net/proxy_header.ts";
import { joined } from "../../support/chunks.ts";
import { bytes } from "../../support/client.ts";
import {
  binaryHeader,
  crc32c,
  endpoints,
  headers,
  SIGNATURE,
  unixAddress,
} from "../../support/proxy_headers.ts";

const NEED: ProxyParse = { need: true };
const LOCAL = { command: "local" } as const;
const INET = endpoints(
  Uint8Array.of(192, 0, 2, 7),
  Uint8Array.of(198, 51, 100, 1),
  56_324,
  443,
);

function tcp(hostname: string, port: number): Address {
  return { transport: "tcp", hostname, port };
}

function proxied(source: Address, destination: Address, length: number) {
  return { header: { command: "proxy", source, destination }, length };
}

/** What the parser says to the first bytes, as they come one by one. */
function oneByOne(wire: Uint8Array): ProxyParse[] {
  return Array.from(wire, (_, i) => parseProxyHeader(wire.subarray(0, i + 1)));
}

function assertRefused(wire: Uint8Array, reason: string): void {
  assert.deepEqual(parseProxyHeader(wire), { refused: reason });
}

Deno.test("parseProxyHeader reads the line that the specification shows", () => {
  const line = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
  assert.deepEqual(
    parseProxyHeader(bytes(`${line}GET / HTTP/1.1\r\n`)),
    proxied(tcp("192.168.0.1", 56_324), tcp("192.168.0.11", 443), line.length),
  );
});

Deno.test("parseProxyHeader reads the longest lines of the specification", () => {
  const four = "255.255.255.255";
  const six = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  for (
    const [protocol, ip, length] of [["TCP4", four, 56], ["TCP6", six, 104]]
  ) {
    const line = bytes(`PROXY ${protocol} ${ip} ${ip} 65535 65535\r\n`);
    assert.equal(line.length, length);
    assert.deepEqual(
      parseProxyHeader(line),
      proxied(tcp(`${ip}`, 65_535), tcp(`${ip}`, 65_535), line.length),
    );
  }
});

Deno.test("parseProxyHeader takes what HAProxy sends", () => {
  for (
    const [wire, source, destination] of [
      [
        bytes("PROXY TCP4 127.0.0.1 127.0.0.1 60938 27095\r\n").toHex(),
        tcp("127.0.0.1", 60_938),
        tcp("127.0.0.1", 27_095),
      ],
      [
        bytes("PROXY TCP6 ::1 ::1 55784 27096\r\n").toHex(),
        tcp("::1", 55_784),
        tcp("::1", 27_096),
      ],
      [
        // Where one of the two is IPv4, both are sent as IPv6.
        bytes("PROXY TCP6 ::ffff:192.0.2.7 2001:DB8::1 1 2\r\n").toHex(),
        tcp("192.0.2.7", 1),
        tcp("2001:db8::1", 2),
      ],
      [
        "0d0a0d0a000d0a515549540a2111000c7f0000017f000001c41469d9",
        tcp("127.0.0.1", 0xc414),
        tcp("127.0.0.1", 0x69d9),
      ],
      [
        "0d0a0d0a000d0a515549540a21210024" +
        "0000000000000000000000000000000100000000000000000000000000000001" +
        "add669da",
        tcp("::1", 0xadd6),
        tcp("::1", 0x69da),
      ],
      [
        // With a checksum and a unique ID.
        "0d0a0d0a000d0a515549540a211100237f0000017f000001bb6a69db" +
        "03000449198c8605000d37463030303030313a42423641",
        tcp("127.0.0.1", 0xbb6a),
        tcp("127.0.0.1", 0x69db),
      ],
    ] as const
  ) {
    const header = Uint8Array.fromHex(wire);
    assert.deepEqual(
      parseProxyHeader(joined([header, bytes("hi\n")])),
      proxied(source, destination, header.length),
    );
  }
});

Deno.test("parseProxyHeader ignores what stands behind UNKNOWN", () => {
  for (
    const rest of [
      "",
      " ",
      " ffff::1 ffff::2 65535 65535",
      " 127.0.0.1 127.0.0.1 99999 99999",
      " \r \0 é",
    ]
  ) {
    const line = bytes(`PROXY UNKNOWN${rest}\r\n`);
    assert.deepEqual(parseProxyHeader(line), {
      header: LOCAL,
      length: line.length,
    });
  }
});

for (
  const [line, reason] of [
    ["PROX", "invalid signature"],
    ["PROXY", "too few fields"],
    ["PROXYTCP4", "invalid signature"],
    ["PROXY ", "invalid protocol"],
    ["PROXY  TCP4", "invalid protocol"],
    ["PROXY tcp4", "invalid protocol"],
    ["PROXY TCP5", "invalid protocol"],
    ["PROXY UDP4", "invalid protocol"],
    ["PROXY UNKNOWNS", "invalid protocol"],
    ["PROXY UNKNOWN\tx", "invalid protocol"],
    ["PROXY UNKNOWN\r", "invalid protocol"],
    ["PROXY TCP4", "too few fields"],
    ["PROXY TCP4\t1.2.3.4 5.6.7.8 1 2", "invalid protocol"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 1", "too few fields"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2 ", "too many fields"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3", "too many fields"],
    ["PROXY TCP4  1.2.3.4 5.6.7.8 1 2", "invalid address"],
    ["PROXY TCP4 1.2.3.4 5.6.7 1 2", "invalid address"],
    ["PROXY TCP4 1.2.3.04 5.6.7.8 1 2", "invalid address"],
    ["PROXY TCP4 ::1 ::1 1 2", "invalid address"],
    ["PROXY TCP4 ::ffff:1.2.3.4 ::ffff:1.2.3.4 1 2", "invalid address"],
    ["PROXY TCP6 1.2.3.4 5.6.7.8 1 2", "invalid address"],
    ["PROXY TCP6 ::1%lo ::1 1 2", "invalid address"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 01 2", "invalid port"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 1 65536", "invalid port"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 -1 2", "invalid port"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 1 +2", "invalid port"],
    ["PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r", "invalid port"],
  ] as const
) {
  Deno.test(`parseProxyHeader refuses ${JSON.stringify(line)}: ${reason}`, () =>
    assertRefused(bytes(`${line}\r\n`), reason));
}

Deno.test("parseProxyHeader refuses an LF without CR at once", () => {
  for (
    const line of [
      "PROXY TCP4 1.2.3.4 5.6.7.8 1 2",
      "PROXY UNKNOWN",
      "PROXY UNKNOWN x",
      "PROXY",
    ]
  ) assertRefused(bytes(`${line}\n`), "LF without CR");
});

Deno.test("parseProxyHeader refuses a line beyond 107 bytes as soon as it cannot end", () => {
  const line = (length: number) =>
    bytes(`PROXY UNKNOWN ${"x".repeat(length - 16)}\r\n`);
  assert.deepEqual(parseProxyHeader(line(107)), {
    header: LOCAL,
    length: 107,
  });
  const answers = oneByOne(line(108));
  assert.deepEqual(answers[104], NEED);
  assert.deepEqual(answers[105], { refused: "no CRLF within 107 bytes" });
  assertRefused(line(108), "no CRLF within 107 bytes");
});

for (
  const [beginning, reason] of [
    ["G", "invalid signature"],
    ["PI", "invalid signature"],
    ["PROXY T", undefined],
    ["PROXY TC6", "invalid protocol"],
    ["PROXY UNKNOWN\rx", "invalid protocol"],
    ["PROXY TCP4 \r", "invalid address"],
    ["PROXY TCP4 25", undefined],
    ["PROXY TCP4 256", "invalid address"],
    ["PROXY TCP4 1.02", "invalid address"],
    ["PROXY TCP4 1.2.3.4.", "invalid address"],
    ["PROXY TCP4 1.2.3 ", "invalid address"],
    ["PROXY TCP4 f", "invalid address"],
    ["PROXY TCP6 1:2:3:4:5:6:7", undefined],
    ["PROXY TCP6 1:2:3:4:5:6:7:", undefined],
    ["PROXY TCP6 1:2:3:4:5:6:7:8:", "invalid address"],
    ["PROXY TCP6 :", undefined],
    ["PROXY TCP6 :1", "invalid address"],
    ["PROXY TCP6 1::2::", "invalid address"],
    ["PROXY TCP6 ::ffff:1.", undefined],
    ["PROXY TCP6 12345", "invalid address"],
    ["PROXY TCP6 ::1 ::2 6553", undefined],
    ["PROXY TCP6 ::1 ::2 65536", "invalid port"],
    ["PROXY TCP6 ::1 ::2 00", "invalid port"],
    ["PROXY TCP6 ::1 ::2 1 2 ", "too many fields"],
    ["PROXY TCP6 ::1 ::2 1 2\r", undefined],
    ["PROXY TCP6 ::1 ::2 1\r", "too few fields"],
    ["PROXY TCP6 ::1 ::2 1 2\rx", "invalid port"],
    ["\r\n\r\n\0\r\nQUIT", undefined],
    ["\r\n\r\n\0\r\nQUO", "invalid signature"],
    ["\r\n\r\n\0\r\nQUIT\n\x11", "unknown version or command"],
    ["\r\n\r\n\0\r\nQUIT\n\x22", "unknown version or command"],
    ["\r\n\r\n\0\r\nQUIT\n\x21\x41", "unknown address family"],
    ["\r\n\r\n\0\r\nQUIT\n\x21\x13", "unknown address family"],
    ["\r\n\r\n\0\r\nQUIT\n\x20\x10\x11", "longer than 4112 bytes"],
    ["\r\n\r\n\0\r\nQUIT\n\x20\x10\x10", undefined],
  ] as const
) {
  const answer = reason === undefined ? NEED : { refused: reason };
  const verb = reason === undefined ? "needs more than" : "refuses at once";
  Deno.test(`parseProxyHeader ${verb} ${JSON.stringify(beginning)}`, () => {
    const answers = oneByOne(bytes(beginning));
    assert.deepEqual(answers.pop(), answer);
    for (const before of answers) assert.deepEqual(before, NEED);
  });
}

Deno.test("parseProxyHeader knows families and types of version 2", () => {
  const six = endpoints(
    Uint8Array.fromHex("20010db8000000000000000000000007"),
    Uint8Array.fromHex("00000000000000000000ffffc0000207"),
    1,
    2,
  );
  const udp = { transport: "udp" } as const;
  for (
    const [protocol, addresses, source, destination] of [
      [0x11, INET, tcp("192.0.2.7", 56_324), tcp("198.51.100.1", 443)],
      [
        0x12,
        INET,
        { ...tcp("192.0.2.7", 56_324), ...udp },
        { ...tcp("198.51.100.1", 443), ...udp },
      ],
      [0x21, six, tcp("2001:db8::7", 1), tcp("192.0.2.7", 2)],
      [
        0x22,
        six,
        { ...tcp("2001:db8::7", 1), ...udp },
        { ...tcp("192.0.2.7", 2), ...udp },
      ],
    ] as const
  ) {
    const wire = binaryHeader({ protocol, addresses });
    assert.deepEqual(
      parseProxyHeader(wire),
      proxied(source, destination, wire.length),
    );
  }
});

Deno.test("parseProxyHeader reads Unix paths, abstract names and none", () => {
  const full = "/".padEnd(108, "x");
  for (
    const [path, shown] of [
      ["/run/a\0/run/b", "/run/a"],
      ["\0echo", "@echo"],
      ["", ""],
      [full, full],
    ] as const
  ) {
    const wire = binaryHeader({
      protocol: 0x31,
      addresses: joined([unixAddress(path), unixAddress("/to")]),
    });
    const unix = { transport: "unix", hostname: "", port: 0 } as const;
    assert.deepEqual(
      parseProxyHeader(wire),
      proxied({ ...unix, path: shown }, { ...unix, path: "/to" }, 232),
    );
  }
});

Deno.test("parseProxyHeader parses nothing behind LOCAL and UNSPEC", () => {
  const wrongChecksum = { type: 3, value: new Uint8Array(4) };
  for (
    const [command, protocol] of [
      [0x20, 0x00],
      [0x20, 0x11],
      [0x20, 0xff],
      [0x21, 0x00],
      [0x21, 0x01],
      [0x21, 0x10],
    ] as const
  ) {
    for (const tlvs of [[], [wrongChecksum]]) {
      const wire = binaryHeader({ command, protocol, tlvs });
      assert.deepEqual(parseProxyHeader(wire), {
        header: LOCAL,
        length: wire.length,
      });
    }
  }
});

Deno.test("parseProxyHeader refuses a length too short for the addresses", () => {
  for (const [protocol, enough] of [[0x11, 12], [0x21, 36], [0x31, 216]]) {
    const wire = (length: number) =>
      binaryHeader({
        protocol: protocol!,
        addresses: new Uint8Array(length),
      });
    assertRefused(
      wire(enough! - 1).subarray(0, 16),
      "too short for its addresses",
    );
    assert.ok("header" in parseProxyHeader(wire(enough!)));
  }
});

Deno.test("parseProxyHeader skips whatever follows the addresses, up to 4096 bytes", () => {
  for (const rest of [1, 2, 3, 72, 4084]) {
    const wire = binaryHeader({
      protocol: 0x11,
      addresses: joined([INET, new Uint8Array(rest).fill(0xff)]),
    });
    const answer = parseProxyHeader(joined([wire, bytes("\xff")]));
    assert.ok("header" in answer);
    assert.equal(answer.length, 28 + rest);
    assert.deepEqual(parseProxyHeader(wire.subarray(0, -1)), NEED);
  }
  assert.equal(MAX_HEADER, 4112);
  assertRefused(
    binaryHeader({ protocol: 0x11, length: 4097 }),
    "longer than 4112 bytes",
  );
});

Deno.test("parseProxyHeader refuses a checksum that does not match", () => {
  const good = binaryHeader({
    protocol: 0x11,
    addresses: INET,
    tlvs: [{ type: 4, value: new Uint8Array(5) }],
    checksum: true,
  });
  assert.ok("header" in parseProxyHeader(good));
  for (let i = FIRST_ADDRESS; i < good.length; i++) {
    // A TLV that gets another type or length may hide the checksum.
    if (i >= 28 && i < 31 || i >= 36 && i < 39) continue;
    const bad = good.slice();
    bad[i]! ^= 1;
    assertRefused(bad, "wrong checksum");
  }
});

Deno.test("parseProxyHeader refuses a checksum that is not 4 bytes", () => {
  for (const length of [0, 3, 5]) {
    const tlvs = [{ type: 3, value: new Uint8Array(length) }];
    const wire = binaryHeader({ protocol: 0x11, addresses: INET, tlvs });
    if (length === 5) new DataView(wire.buffer).setUint32(31, crc32c(wire));
    assertRefused(wire, "wrong checksum");
  }
  const cut = joined([INET, Uint8Array.of(3, 0, 4, 1, 2)]);
  assertRefused(
    binaryHeader({ protocol: 0x11, addresses: cut }),
    "wrong checksum",
  );
});

Deno.test("The checksum of these tests is CRC32C", () => {
  assert.equal(crc32c(bytes("123456789")), 0xe3069283);
});

Deno.test("parseProxyHeader needs more until a header is whole, and no byte longer", () =>
  fc.assert(fc.property(headers, fc.uint8Array(), ({ wire, header }, rest) => {
    assert.deepEqual(parseProxyHeader(new Uint8Array()), NEED);
    const answers = oneByOne(wire);
    const whole = { header, length: wire.length };
    assert.deepEqual(answers.pop(), whole);
    for (const answer of answers) assert.deepEqual(answer, NEED);
    assert.deepEqual(parseProxyHeader(joined([wire, rest])), whole);
  })));

Deno.test("parseProxyHeader stays with what it said, whatever follows", () =>
  fc.assert(fc.property(mutated, (wire) => {
    const answers = oneByOne(wire);
    const decided = answers.findIndex((answer) => !("need" in answer));
    if (decided < 0) return;
    const [first, ...later] = answers.slice(decided);
    assert.ok(!("header" in first!) || first.length === decided + 1);
    for (const answer of later) {
      if ("header" in first!) assert.deepEqual(answer, first);
      else assert.ok("refused" in answer);
    }
  })));

Deno.test("parseProxyHeader needs more only where a valid header can follow", () =>
  fc.assert(fc.property(mutated, (wire) => {
    // Beyond that the 107 bytes, or a checksum, leave few ends to choose from.
    const most = wire[0] === 0x50 ? 90 : 16;
    for (let length = 1; length <= Math.min(wire.length, most); length++) {
      const beginning = wire.subarray(0, length);
      if (!("need" in parseProxyHeader(beginning))) return;
      assert.ok(canBeCompleted(beginning), JSON.stringify(textOf(beginning)));
    }
  })));

Deno.test("parseProxyHeader never throws, and never reads beyond the longest header", () =>
  fc.assert(fc.property(
    fc.oneof(
      fc.uint8Array({ maxLength: 5000, size: "max" }),
      fc.uint8Array().map((rest) => joined([SIGNATURE, rest])),
      fc.uint8Array().map((rest) => joined([bytes("PROXY "), rest])),
    ),
    (wire) => {
      const answer = parseProxyHeader(wire);
      if ("need" in answer) assert.ok(wire.length < MAX_HEADER);
      if ("header" in answer) assert.ok(answer.length <= wire.length);
    },
  )));

/** Where the addresses of version 2 begin. */
const FIRST_ADDRESS = 16;

/** Valid headers in which a few bytes are others, missing or too many. */
const mutated = fc.tuple(
  headers,
  fc.array(
    fc.record({
      at: fc.nat(1000),
      remove: fc.nat(1),
      insert: fc.oneof(
        fc.constantFrom(...["", " ", "\r", "\n", "0", ":", ".", "9", "PROXY"])
          .map(bytes),
        fc.uint8Array({ maxLength: 1 }),
      ),
    }),
    { maxLength: 3 },
  ),
).map(([{ wire }, changes]) =>
  changes.reduce<Uint8Array>((wire, { at, remove, insert }) => {
    const from = at % wire.length;
    const rest = wire.subarray(from + remove);
    return joined([wire.subarray(0, from), insert, rest]);
  }, wire)
);

/** Whether one of the ends that there may be makes a valid header of it. */
function canBeCompleted(beginning: Uint8Array): boolean {
  const ends = beginning[0] === 0x50
    ? lineEnds(textOf(beginning)).map(bytes)
    : binaryEnds(beginning);
  return ends.some((end) =>
    "header" in parseProxyHeader(joined([beginning, end]))
  );
}

/** Ends of a line of which one fits, whatever field it breaks off in. */
function lineEnds(text: string): string[] {
  const full = ["PROXY", "TCP4", "0.0.0.0", "0.0.0.0", "0", "0"];
  const fields = text.split(" ");
  const begun = fields.at(-1)!.length;
  const rest = full.slice(fields.length).map((field) => ` ${field}`).join("");
  const four = ["", "0", ".0", "0.0", ".0.0", "0.0.0", ".0.0.0", "0.0.0.0"];
  const own = [...four, ":", "::", full[fields.length - 1]?.slice(begun) ?? ""];
  const six = rest.replaceAll("0.0.0.0", "::");
  return [
    "\n",
    "\r\n",
    "UNKNOWN\r\n".slice(begun),
    ...own.flatMap((own) => [`${own}${rest}\r\n`, `${own}${six}\r\n`]),
  ];
}

/**
 * LOCAL and PROXY, and as many bytes as the length says: enough for addresses,
 * or no more than there may be.
 */
function binaryEnds(beginning: Uint8Array): Uint8Array[] {
  const fixed = [[0x20, 0xff], [0x21, 0xff], [0x20, 0], [0x21, 0]] as const;
  return fixed.map(([command, low]) => {
    const header = joined([SIGNATURE, Uint8Array.of(command, 0, 0, low)]);
    header.set(beginning.subarray(0, 16));
    const length = 16 + (header[14]! << 8 | header[15]!);
    const whole = joined([header, new Uint8Array(length - 16)]);
    return whole.subarray(beginning.length);
  });
}

function textOf(wire: Uint8Array): string {
  return String.fromCharCode(...wire);
}
