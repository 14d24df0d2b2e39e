import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { corrupt, type CorruptOptions } from "../../../lib/faults/corrupt.ts";
import { ByteQueue } from "../../../lib/faults/byte_queue.ts";
import { holdingStream } from "../../../lib/faults/holding_stream.ts";
import { DelayLine, latency } from "../../../lib/faults/latency.ts";
import { limit } from "../../../lib/faults/limit.ts";
import { rate, tokenBucket } from "../../../lib/faults/rate.ts";
import { slice } from "../../../lib/faults/slice.ts";
import { lateEnd, slowClose } from "../../../lib/faults/slow_close.ts";
import { chunks, joined } from "../../support/chunks.ts";
import { bytes } from "../../support/client.ts";
import { FakeClock } from "./fake_clock.ts";
import { bytesThrough, readStage } from "./stage.ts";

type Stage = TransformStream<Uint8Array, Uint8Array>;

/** Every stage, such that it has something to do but to lose bytes. */
const STAGES: Record<string, (clock: FakeClock) => Stage> = {
  latency: (clock) => holdingStream(new DelayLine(60), clock),
  rate: (clock) => holdingStream(tokenBucket(1), clock),
  slice: () => slice(1),
  slowClose: (clock) => holdingStream(lateEnd(60), clock),
  limit: () => limit(1000),
  corrupt: () => corrupt(0),
};

Deno.test("ByteQueue gives out what it was given", () =>
  fc.assert(fc.property(
    fc.array(fc.oneof(fc.uint8Array({ maxLength: 600 }), fc.nat(600))),
    (steps) => {
      const queue = new ByteQueue();
      let expected: number[] = [];
      for (const step of steps) {
        if (typeof step !== "number") {
          queue.push(step);
          expected.push(...step);
        } else {
          const count = Math.min(step, queue.length);
          assert.deepEqual([...queue.take(count)], expected.slice(0, count));
          expected = expected.slice(count);
        }
        assert.equal(queue.length, expected.length);
      }
    },
  )));

for (const [name, make] of Object.entries(STAGES)) {
  Deno.test(`${name} is a TransformStream`, () => {
    const stage = make(new FakeClock());
    assert.ok(stage instanceof TransformStream);
    assert.ok(stage.readable instanceof ReadableStream);
    assert.ok(stage.writable instanceof WritableStream);
    assert.match(Deno.inspect(stage), /^TransformStream/);
  });

  Deno.test(`${name} closes behind an empty stream`, async () => {
    const clock = new FakeClock();
    const { writer, out, done } = readStage(make(clock), clock);
    await writer.write(new Uint8Array(0));
    await writer.close();
    await clock.advance(60_000);
    await done;
    assert.equal(joined(out.map(({ bytes }) => bytes)).length, 0);
    assert.equal(clock.waits, false);
  });

  Deno.test(`${name} closes with its last byte, before it is read again`, async () => {
    const clock = new FakeClock();
    const stage = make(clock);
    const writer = stage.writable.getWriter();
    const reader = stage.readable.getReader();
    const read = reader.read();
    writer.write(bytes("x"));
    await turn();
    writer.close();
    await clock.advance(60_000);
    assert.equal((await read).value?.length, 1);
    await clock.advance(60_000);
    await reader.closed;
  });

  Deno.test(`${name} frees all when its reader cancels`, async () => {
    const clock = new FakeClock();
    const stage = make(clock);
    const writer = stage.writable.getWriter();
    const reader = stage.readable.getReader();
    reader.read();
    const writing = writer.write(bytes("one\n"));
    writing.catch(() => {});
    await turn();
    const reason = new Error("enough");
    await reader.cancel(reason);
    await assert.rejects(writer.closed, reason);
    await writing.catch((error) => assert.equal(error, reason));
    assert.equal(clock.waits, false);
  });

  Deno.test(`${name} frees all when its writer aborts`, async () => {
    const clock = new FakeClock();
    const stage = make(clock);
    const writer = stage.writable.getWriter();
    const reader = stage.readable.getReader();
    reader.closed.catch(() => {});
    const reads = [reader.read(), reader.read(), reader.read()];
    reads.forEach((read) => read.catch(() => {}));
    writer.write(bytes("x\n")).catch(() => {});
    await turn();
    const reason = new Error("no more");
    await writer.abort(reason);
    await assert.rejects(reads[2]!, reason);
    assert.equal(clock.waits, false);
  });

  Deno.test(`${name} refuses a chunk that is no bytes`, async () => {
    const stage = make(new FakeClock());
    const writer = stage.writable.getWriter();
    const reading = stage.readable.getReader().read();
    const writing = writer.write("text" as unknown as Uint8Array);
    await Promise.all([
      assert.rejects(writing, /^TypeError: A fault takes chunks of type/),
      assert.rejects(reading, TypeError),
      assert.rejects(writer.closed, TypeError),
    ]);
  });
}

for (const name of ["latency", "rate", "slowClose"]) {
  Deno.test(`${name} sets no alarm when it is cancelled while it closes`, async () => {
    const clock = new FakeClock();
    const stage = STAGES[name]!(clock);
    const writer = stage.writable.getWriter();
    const reader = stage.readable.getReader();
    const read = reader.read();
    writer.write(bytes("one\n")).catch(() => {});
    writer.close().catch(() => {});
    writer.closed.catch(() => {});
    if (name !== "latency") await read;
    read.catch(() => {});
    reader.read();
    await turn();
    assert.equal(clock.waits, true);
    await reader.cancel();
    assert.equal(clock.waits, false);
  });
}

const SEED: CorruptOptions = { seed: 5, connection: 3 };

/** Stages whose bytes are known for any input. */
const PLAIN: Record<string, [() => Stage, (all: Uint8Array) => Uint8Array]> = {
  latency: [() => latency(0.001, { jitter: 0.001 }), (all) => all],
  rate: [() => rate(1e9), (all) => all],
  slice: [() => slice(1000), (all) => all],
  slowClose: [() => slowClose(0.001), (all) => all],
  limit: [() => limit(1234), (all) => all.slice(0, 1234)],
};

for (const [name, [make, expected]] of Object.entries(PLAIN)) {
  Deno.test(`${name} gives out the bytes in order, whatever the chunks`, () =>
    fc.assert(
      fc.asyncProperty(chunks, async (input) => {
        const out = await bytesThrough(input, make());
        assert.deepEqual(out, expected(joined(input)));
      }),
      { numRuns: 50 },
    ));
}

Deno.test("corrupt gives the same bytes for the same seed, whatever the chunks", () =>
  fc.assert(
    fc.asyncProperty(
      chunks,
      fc.constantFrom(0.001, 0.1, 0.5, 1),
      async (input, probability) => {
        const all = joined(input);
        const once = await bytesThrough([all], corrupt(probability, SEED));
        const cut = await bytesThrough(input, corrupt(probability, SEED));
        assert.deepEqual(cut, once);
      },
    ),
    { numRuns: 50 },
  ));
