import assert from "node:assert/strict";
import fc from "fast-check";
import { Access } from "../../../lib/connection/access.ts";
import {
  type Admission,
  admit,
  type Admitted,
  peerVerdict,
} from "../../../lib/connection/admission.ts";
import { toAddress } from "../../../lib/net/address.ts";
import { CidrSet } from "../../../lib/net/cidr.ts";
import type { RawWire, Wire } from "../../../lib/net/transport.ts";
import { joined } from "../../support/chunks.ts";
import { bytes, text } from "../../support/client.ts";
import { MemoryWire } from "../../support/memory_wire.ts";
import {
  binaryHeader,
  headers,
  unixAddress,
} from "../../support/proxy_headers.ts";

/** The address that a {@linkcode MemoryWire} comes from. */
const PEER = { transport: "tcp", hostname: "192.0.2.7", port: 7777 } as const;

/** Trusts it. */
const proxy = new CidrSet(["192.0.2.0/24"]);

const LINE = "PROXY TCP4 198.51.100.9 192.0.2.7 4711 1050\r\n";
const CLIENT = { transport: "tcp", hostname: "198.51.100.9", port: 4711 };
const LOCAL = binaryHeader({ command: 0x20, protocol: 0 });

function access(settings: {
  allow?: string[];
  deny?: string[];
  maxPerAddress?: number;
}): Access {
  return new Access({ allow: [], deny: [], maxPerAddress: 0, ...settings });
}

/** Timers that expire when they are told. */
class Timers {
  /** Seconds of those that run. */
  readonly running = new Map<() => void, number>();

  readonly startTimer = (expire: () => void, seconds: number) => {
    this.running.set(expire, seconds);
    this.#news.resolve();
    return () => void this.running.delete(expire);
  };

  #news = Promise.withResolvers<void>();

  /** Waits for a timer of so many seconds, and lets it expire. */
  async expire(seconds: number): Promise<void> {
    await this.#news.promise;
    assert.deepEqual([...this.running.values()], [seconds]);
    for (const expire of this.running.keys()) expire();
  }
}

/** A wire with a handshake, of which the test says how it ends. */
function secureWire(wire = MemoryWire.open()) {
  const secured = new MemoryWire();
  const { promise, resolve, reject } = Promise.withResolvers<Wire>();
  const begun = Promise.withResolvers<Uint8Array>();
  const raw = Object.assign(wire, {
    handshake: (readAhead: Uint8Array) => {
      begun.resolve(readAhead);
      return promise;
    },
  });
  return {
    raw,
    secured,
    begun: begun.promise,
    succeed: () => resolve(secured),
    fail: reject,
  };
}

async function admitted(pending: Promise<Admission>): Promise<Admitted> {
  const admission = await pending;
  assert.ok("wire" in admission, JSON.stringify(admission));
  return admission;
}

/** Asserts that it is refused, and nothing was sent. */
async function assertRejected(
  wire: RawWire & MemoryWire,
  admission: Promise<Admission>,
  rejected: string,
  detail: string,
  client: unknown = PEER,
): Promise<void> {
  assert.deepEqual(await admission, { rejected, detail, client });
  assert.deepEqual(wire.writes, []);
  // A read that was given up fails now, and nobody may be there to hear that.
  wire.close();
}

Deno.test("peerVerdict asks proxies of the list of proxies, clients of access", () => {
  const closed = access({ deny: ["0.0.0.0/0"] });
  const unix = toAddress({ transport: "unix", path: "" });
  assert.equal(peerVerdict(PEER, {}), undefined);
  assert.equal(peerVerdict(PEER, { access: closed }), "access");
  assert.equal(peerVerdict(PEER, { access: closed, proxy }), undefined);
  assert.equal(peerVerdict(PEER, { proxy: new CidrSet(["::1"]) }), "proxy");
  assert.equal(peerVerdict(unix, { access: closed }), undefined);
  const full = access({ maxPerAddress: 1 });
  full.enter(PEER.hostname);
  assert.equal(peerVerdict(PEER, { access: full }), "per_address");
});

Deno.test("admit gives a plain wire back unread", async () => {
  const wire = new MemoryWire([bytes("hi\n")]);
  const admission = await admitted(admit(wire, {}));
  assert.equal(admission.wire, wire);
  assert.deepEqual(admission.client, PEER);
  assert.equal(admission.readAhead.length, 0);
  assert.deepEqual(wire.asked, []);
  admission.leave();
});

Deno.test("admit refuses who has no access, and reads nothing", async () => {
  for (
    const [rules, rejected, detail] of [
      [
        { access: access({ deny: ["192.0.2.7"] }) },
        "access",
        "address not allowed",
      ],
      [{ proxy: new CidrSet(["::1"]) }, "proxy", "not a trusted proxy"],
    ] as const
  ) {
    const wire = new MemoryWire([bytes(LINE)]);
    await assertRejected(wire, admit(wire, rules), rejected, detail);
    assert.deepEqual(wire.asked, []);
  }
});

Deno.test("admit counts a client until it leaves", async () => {
  const one = access({ maxPerAddress: 1 });
  const { leave } = await admitted(admit(new MemoryWire(), { access: one }));
  const second = new MemoryWire();
  await assertRejected(
    second,
    admit(second, { access: one }),
    "per_address",
    "too many connections from this address",
  );
  leave();
  assert.equal(one.addresses, 0);
  await admitted(admit(new MemoryWire(), { access: one }));
});

Deno.test("admit asks nothing of Unix peers", async () => {
  const wire = Object.assign(new MemoryWire(), {
    remoteAddr: { transport: "unix", path: "" } as const,
  });
  const rules = { access: access({ allow: ["::1"], maxPerAddress: 1 }) };
  const { client } = await admitted(admit(wire, rules));
  assert.equal(client.transport, "unix");
  assert.equal(rules.access.addresses, 0);
});

Deno.test("admit takes the client from the PROXY header, and keeps what follows", async () => {
  const wire = new MemoryWire([bytes(`${LINE}one\ntwo`), bytes("three")]);
  const { client, readAhead } = await admitted(admit(wire, { proxy }));
  assert.deepEqual(client, CLIENT);
  assert.equal(text(readAhead), "one\ntwo");
  assert.equal(wire.asked.length, 1);
});

Deno.test("admit takes a header in any pieces, and loses no byte behind it", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 });
  return fc.assert(fc.asyncProperty(
    headers,
    fc.uint8Array({ maxLength: 600 }),
    cuts,
    async ({ wire: header, header: said }, payload, cuts) => {
      const all = joined([header, payload]);
      const pieces: Uint8Array[] = [];
      for (let at = 0, i = 0; at < all.length; i++) {
        const end = at + cuts[i % cuts.length]!;
        pieces.push(all.subarray(at, end));
        at = end;
      }
      const wire = new MemoryWire(pieces);
      const { client, readAhead } = await admitted(admit(wire, { proxy }));
      assert.deepEqual(client, said.command === "proxy" ? said.source : PEER);
      const rest: Uint8Array[] = [readAhead];
      const buffer = new Uint8Array(1000);
      for (let count; (count = await wire.read(buffer)) !== null;) {
        rest.push(buffer.slice(0, count));
      }
      assert.deepEqual(joined(rest), payload);
    },
  ));
});

Deno.test("admit takes the longest header", async () => {
  const header = binaryHeader({
    protocol: 0x11,
    addresses: new Uint8Array(4096).fill(1),
  });
  const wire = new MemoryWire([header, bytes("hi\n")]);
  const { client, readAhead } = await admitted(admit(wire, { proxy }));
  assert.equal(client.hostname, "1.1.1.1");
  assert.equal(readAhead.length, 0);
  assert.equal(Math.max(...wire.asked), 4112 - 256);
});

Deno.test("admit refuses a wrong header as soon as it is wrong", async () => {
  const wire = MemoryWire.open();
  const admission = admit(wire, { proxy });
  wire.push(bytes("PROXY "));
  wire.push(bytes("G"));
  await assertRejected(
    wire,
    admission,
    "proxy",
    "bad PROXY header: invalid protocol",
  );
});

Deno.test("admit asks access of the client that the header names, not of the proxy", async () => {
  const rules = {
    proxy,
    access: access({ deny: ["192.0.2.0/24"], maxPerAddress: 1 }),
  };
  const { leave } = await admitted(admit(new MemoryWire([bytes(LINE)]), rules));
  const second = new MemoryWire([bytes(LINE)]);
  await assertRejected(
    second,
    admit(second, rules),
    "per_address",
    "too many connections from this address",
    CLIENT,
  );
  leave();
  const denied = new MemoryWire([
    bytes("PROXY TCP6 ::ffff:192.0.2.9 ::1 1 2\r\n"),
  ]);
  await assertRejected(
    denied,
    admit(denied, rules),
    "access",
    "address not allowed",
    { transport: "tcp", hostname: "192.0.2.9", port: 1 },
  );
  assert.equal(rules.access.addresses, 0);
});

Deno.test("admit asks nothing of a proxy that speaks for itself, nor of Unix clients", async () => {
  const rules = { proxy, access: access({ allow: ["::1"], maxPerAddress: 1 }) };
  const unix = binaryHeader({
    protocol: 0x31,
    addresses: joined([unixAddress("/from"), unixAddress("/to")]),
  });
  for (
    const [header, client] of [
      [LOCAL, PEER],
      [bytes("PROXY UNKNOWN\r\n"), PEER],
      [unix, { transport: "unix", hostname: "", port: 0, path: "/from" }],
    ] as const
  ) {
    const admission = await admitted(admit(new MemoryWire([header]), rules));
    assert.deepEqual(admission.client, client);
    assert.equal(rules.access.addresses, 0);
    admission.leave();
  }
});

Deno.test("admit ends quietly where the input ends before its first byte", async () => {
  const wire = new MemoryWire();
  assert.deepEqual(await admit(wire, { proxy }), { ended: true });
});

Deno.test("admit refuses where the input ends within the header", async () => {
  for (const end of [1, 10, LINE.length - 1]) {
    const wire = new MemoryWire([bytes(LINE.slice(0, end))]);
    const detail = "input ended within the PROXY header";
    await assertRejected(wire, admit(wire, { proxy }), "proxy", detail);
  }
});

Deno.test("admit rejects with what a read rejects with", async () => {
  for (const before of ["", "PROXY "]) {
    const wire = MemoryWire.open();
    const admission = admit(wire, { proxy });
    wire.readError = new Deno.errors.ConnectionReset("gone");
    wire.push(bytes(before));
    await assert.rejects(admission, Deno.errors.ConnectionReset);
    wire.close();
  }
});

Deno.test("admit wants the header whole within 10 s of its first byte", async () => {
  const timers = new Timers();
  const wire = MemoryWire.open();
  const admission = admit(wire, { proxy, ...timers });
  await Promise.resolve();
  assert.equal(timers.running.size, 0);
  wire.push(bytes("PROXY"));
  await timers.expire(10);
  const detail = "PROXY header not whole after 10 s";
  await assertRejected(wire, admission, "proxy", detail);
  assert.equal(timers.running.size, 0);
});

Deno.test("admit keeps no timer once the header is whole", async () => {
  const timers = new Timers();
  const pieces = [bytes("PROXY"), bytes(LINE.slice(5))];
  const startTimer = () => assert.fail("the header came whole");
  const whole = new MemoryWire([joined(pieces)]);
  await admitted(admit(whole, { proxy, startTimer }));
  await admitted(admit(new MemoryWire(pieces), { proxy, ...timers }));
  assert.equal(timers.running.size, 0);
});

Deno.test("admit gives a header up when the signal aborts", async () => {
  for (const before of [[], [bytes("PROXY")]]) {
    const abort = new AbortController();
    const timers = new Timers();
    const wire = MemoryWire.open();
    const admission = admit(wire, { proxy, ...timers }, abort.signal);
    for (const piece of before) wire.push(piece);
    while (wire.asked.length <= before.length) await Promise.resolve();
    abort.abort();
    assert.deepEqual(await admission, { ended: true });
    wire.close();
    assert.equal(timers.running.size, 0);
  }
  const wire = MemoryWire.open();
  const aborted = admit(wire, { proxy }, AbortSignal.abort());
  assert.deepEqual(await aborted, { ended: true });
});

Deno.test("admit serves what the handshake made of the wire", async () => {
  const timers = new Timers();
  const { raw, secured, begun, succeed } = secureWire();
  const admission = admit(raw, timers);
  assert.equal((await begun).length, 0);
  succeed();
  const { wire, client, readAhead } = await admitted(admission);
  assert.equal(wire, secured);
  assert.deepEqual(client, PEER);
  assert.equal(readAhead.length, 0);
  assert.equal(timers.running.size, 0);
});

Deno.test("admit gives the handshake what came with the PROXY header", async () => {
  const { raw, begun, succeed } = secureWire(
    new MemoryWire([bytes(`${LINE}hello`)]),
  );
  const admission = admit(raw, { proxy });
  assert.equal(text(await begun), "hello");
  succeed();
  const { client, readAhead } = await admitted(admission);
  assert.deepEqual(client, CLIENT);
  assert.equal(readAhead.length, 0);
});

Deno.test("admit refuses a handshake that fails, and no longer counts its client", async () => {
  const one = access({ maxPerAddress: 1 });
  const { raw, begun, fail } = secureWire();
  const admission = admit(raw, { access: one });
  await begun;
  assert.equal(one.addresses, 1);
  fail(new Error("no shared cipher (SSL routines:get_record:no cipher)"));
  await assertRejected(raw, admission, "handshake", "no shared cipher");
  assert.equal(one.addresses, 0);
  const thrower = Object.assign(new MemoryWire(), {
    handshake: (): Promise<Wire> => {
      throw new Error("no descriptor");
    },
  });
  const thrown = admit(thrower, { access: one });
  await assertRejected(thrower, thrown, "handshake", "no descriptor");
  assert.equal(one.addresses, 0);
});

Deno.test("admit gives a handshake 10 s", async () => {
  const one = access({ maxPerAddress: 1 });
  const timers = new Timers();
  const { raw, fail } = secureWire();
  const admission = admit(raw, { access: one, ...timers });
  await timers.expire(10);
  const detail = "TLS handshake not done after 10 s";
  await assertRejected(raw, admission, "handshake", detail);
  assert.equal(one.addresses, 0);
  fail(new Error("given up, to be heard by nobody"));
});

Deno.test("admit gives a handshake up when the signal aborts", async () => {
  const one = access({ maxPerAddress: 1 });
  const abort = new AbortController();
  const { raw, begun, fail } = secureWire();
  const admission = admit(raw, { access: one }, abort.signal);
  await begun;
  abort.abort();
  assert.deepEqual(await admission, { ended: true });
  assert.equal(one.addresses, 0);
  fail(new Error("given up, to be heard by nobody"));
});
