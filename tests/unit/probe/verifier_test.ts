import assert from "node:assert/strict";
import fc from "fast-check";
import { allocate, Payload } from "../../../lib/probe/payload.ts";
import { type Findings, Verifier } from "../../../lib/probe/verifier.ts";
import { joined } from "../../support/chunks.ts";
import { changed } from "../../support/misbehaving_server.ts";

const SIZE = 32;
const payload = new Payload(SIZE, 42);

/** Line `number` of a connection, the first one if not said. */
function line(number: number, connection = 1): Uint8Array {
  const memory = allocate(SIZE);
  payload.fill(memory, connection, number);
  return memory.bytes;
}

/** Writes down what is found. */
class Found implements Findings {
  readonly all: string[] = [];
  right = (number: number) => void this.all.push(`right ${number}`);
  wrong = (number: number, what: string) =>
    void this.all.push(`wrong ${number}: ${what}`);
  skipped = (number: number) => {
    this.all.push(`skipped ${number}`);
    return true;
  };
  misordered = (number: number, wasLost: boolean) =>
    void this.all.push(
      `misordered ${number}${wasLost ? "" : ", which counts already"}`,
    );
  unasked = (what: string) => void this.all.push(`unasked: ${what}`);
}

/** What is found in bytes that come as so many reads, `sent` lines being sent. */
function verify(reads: Uint8Array[], sent = 8): string[] {
  const found = new Found();
  const verifier = new Verifier(payload, 1, found);
  for (const read of reads) {
    const memory = allocate(read.length);
    memory.bytes.set(read);
    verifier.push(memory, read.length, sent);
  }
  return found.all;
}

Deno.test("Verifier finds all right, however the stream is cut", () => {
  const stream = joined([line(0), line(1), line(2), line(3)]);
  fc.assert(fc.property(
    fc.array(fc.nat(stream.length), { maxLength: 12 }),
    (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), stream.length];
      const reads = at.slice(1).map((end, i) => stream.subarray(at[i]!, end));
      assert.deepEqual(verify(reads), [
        "right 0",
        "right 1",
        "right 2",
        "right 3",
      ]);
    },
  ));
});

Deno.test("Verifier says which byte of which line is changed, and goes on", () => {
  for (const at of [0, 5, 11, 12, 30, 31]) {
    const stream = joined([line(0), changed(line(1), at), line(2)]);
    const expected = [
      "right 0",
      `wrong 1: line 1 differs at byte ${at}`,
      "right 2",
    ];
    assert.deepEqual(verify([stream]), expected);
    assert.deepEqual(
      verify([...stream].map((b) => Uint8Array.of(b))),
      expected,
    );
  }
});

Deno.test("Verifier tells a line that comes twice", () => {
  assert.deepEqual(verify([line(0), line(1), line(0), line(2)]), [
    "right 0",
    "right 1",
    "unasked: line 0 came twice",
    "right 2",
  ]);
});

Deno.test("Verifier tells the last line that comes twice, before another is sent", () => {
  assert.deepEqual(verify([line(0), line(0)], 1), [
    "right 0",
    "unasked: line 0 came twice",
  ]);
});

Deno.test("Verifier tells lines out of order", () => {
  assert.deepEqual(verify([line(1), line(0), line(2)]), [
    "skipped 0",
    "right 1",
    "misordered 0",
    "right 2",
  ]);
});

Deno.test("Verifier tells a line that was left out", () => {
  assert.deepEqual(verify([line(0), line(3), line(4)]), [
    "right 0",
    "skipped 1",
    "skipped 2",
    "right 3",
    "right 4",
  ]);
});

Deno.test("Verifier tells another connection's line", () => {
  assert.deepEqual(verify([line(0), line(7, 3), line(2)]), [
    "right 0",
    "wrong 1: line 1 came back as line 7 of connection 3",
    "right 2",
  ]);
});

Deno.test("Verifier counts a line once that has bytes more or fewer", () => {
  const one = line(1);
  const fewer = joined([one.subarray(0, 20), one.subarray(21)]);
  assert.deepEqual(verify([line(0), fewer, line(2)]), [
    "right 0",
    "wrong 1: line 1 differs at byte 20, 31 of 32 bytes",
    "right 2",
  ]);
  const more = joined([
    one.subarray(0, 20),
    Uint8Array.of(1),
    one.subarray(20),
  ]);
  assert.deepEqual(verify([line(0), more, line(2)]), [
    "right 0",
    "wrong 1: line 1 differs at byte 20",
    "right 2",
  ]);
});

Deno.test("Verifier counts a line once that an LF cuts in two", () => {
  for (let at = 1; at < SIZE - 1; at++) {
    const cut = line(1).slice();
    cut[at] = 10;
    assert.deepEqual(verify([line(0), cut, line(2)]), [
      "right 0",
      `wrong 1: line 1 differs at byte ${at}, ${at + 1} of 32 bytes`,
      "right 2",
    ]);
  }
});

Deno.test("Verifier counts a line once in whose place a greeting came", () => {
  const greeting =
    `{"name":"a","listener":"tcp://127.0.0.1:1050","peer":"b"}\n`;
  const found = verify([new TextEncoder().encode(greeting), line(0), line(1)]);
  assert.deepEqual(found, [
    "wrong 0: a greeting came in place of line 0",
    "misordered 0, which counts already",
    "right 1",
  ]);
});

Deno.test("Verifier tells what nobody sent", () => {
  const banner = new TextEncoder().encode("Welcome\r\n");
  assert.deepEqual(verify([banner, line(0)]), [
    "unasked: 9 unexpected bytes",
    "right 0",
  ]);
  assert.deepEqual(verify([banner], 0), [
    "unasked: 9 unexpected bytes",
  ]);
});

Deno.test("Verifier takes no line that has not been sent for right", () => {
  assert.deepEqual(verify([line(0)], 0), [
    "unasked: line 0 of connection 1, which was not sent here",
  ]);
});

Deno.test("Verifier finds no line right that was not sent, whatever comes", () => {
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 50 }),
    fc.nat(9).map((number) => line(number)),
    fc.tuple(fc.nat(9), fc.nat(SIZE - 1))
      .map(([number, at]) => changed(line(number), at)),
    fc.tuple(fc.nat(9), fc.nat(SIZE))
      .map(([number, end]) => line(number).subarray(0, end)),
  );
  fc.assert(fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
    const found = verify(parts, 8);
    const ends = found.filter((what) => /^(right|wrong|skipped)/.test(what));
    const numbers = ends.map((what) => Number(what.match(/\d+/)![0]));
    // Each line ends once, in order, and only those that were sent.
    assert.deepEqual(numbers, [...numbers.keys()]);
    assert(numbers.length <= 8);
  }));
});
