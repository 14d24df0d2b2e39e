import assert from "node:assert/strict";
import fc from "fast-check";
import { LF } from "../../../lib/lines/line_feed.ts";
import {
  allocate,
  equalBytes,
  equalWords,
  Payload,
} from "../../../lib/probe/payload.ts";
import { changed } from "../../support/misbehaving_server.ts";

const size = fc.integer({ min: 16, max: 300 });
const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const connection = fc.integer({ min: 1, max: 2 ** 24 - 1 });
const number = fc.integer({ min: 0, max: 2 ** 48 - 1 });

function lineOf(payload: Payload, connection: number, number: number) {
  const line = allocate(payload.size);
  payload.fill(line, connection, number);
  return line.bytes;
}

Deno.test("Payload has its LF at the end and nowhere else", () => {
  fc.assert(fc.property(size, seed, connection, number, (...given) => {
    const [size, seed, connection, number] = given;
    const line = lineOf(new Payload(size, seed), connection, number);
    assert.equal(line.length, size);
    assert.equal(line.indexOf(LF), size - 1);
  }));
  const long = lineOf(new Payload(1_048_576, 7), 1, 0);
  assert.equal(long.indexOf(LF), 1_048_575);
});

Deno.test("Payload recognizes its lines, and none that is changed", () => {
  fc.assert(fc.property(size, seed, connection, number, (...given) => {
    const [size, seed, connection, number] = given;
    const payload = new Payload(size, seed);
    const line = lineOf(payload, connection, number);
    assert.deepEqual(payload.recognize(line), { connection, number });
    for (let at = 0; at < size; at++) {
      assert.equal(payload.recognize(changed(line, at)), undefined);
    }
    assert.equal(payload.recognize(line.subarray(1)), undefined);
  }));
});

Deno.test("Payload writes the same line wherever it is told to", () => {
  fc.assert(fc.property(size, fc.nat(9), (size, start) => {
    const payload = new Payload(size, 1);
    const memory = allocate(size + 20);
    payload.fill(memory, 2, 3, start);
    assert.deepEqual(
      memory.bytes.subarray(start, start + size),
      lineOf(payload, 2, 3),
    );
    assert(memory.bytes.subarray(0, start).every((byte) => byte === 0));
    assert(memory.bytes.subarray(start + size).every((byte) => byte === 0));
  }));
});

Deno.test("Payload of another seed is not recognized", () => {
  const line = lineOf(new Payload(64, 1), 1, 1);
  assert.equal(new Payload(64, 2).recognize(line), undefined);
});

Deno.test("Payload differs for each connection and number", () => {
  const payload = new Payload(16, 3);
  const lines = new Set<string>();
  for (let connection = 1; connection <= 20; connection++) {
    for (let number = 0; number < 500; number++) {
      lines.add(lineOf(payload, connection, number).join());
    }
  }
  assert.equal(lines.size, 10_000);
});

Deno.test("Payload has every byte but LF, so that no path is 7-bit in secret", () => {
  const seen = new Set(lineOf(new Payload(65_536, 5), 1, 0).subarray(0, -1));
  assert.equal(seen.size, 255);
});

Deno.test("equalWords finds the first byte that differs, however aligned", () => {
  fc.assert(fc.property(
    fc.uint8Array({ maxLength: 60 }),
    fc.nat(7),
    fc.nat(7),
    fc.nat(70),
    (bytes, aStart, bStart, differs) => {
      const a = allocate(80);
      const b = allocate(80);
      a.bytes.set(bytes, aStart);
      b.bytes.set(bytes, bStart);
      if (differs < bytes.length) a.bytes[aStart + differs]! ^= 1;
      const expected = Math.min(differs, bytes.length);
      const { length } = bytes;
      assert.equal(equalWords(a, aStart, b, bStart, length), expected);
      assert.equal(
        equalBytes(a.bytes, aStart, b.bytes, bStart, length),
        expected,
      );
    },
  ));
});
