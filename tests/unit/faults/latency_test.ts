import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { holdingStream } from "../../../lib/faults/holding_stream.ts";
import {
  DelayLine,
  latency,
  type LatencyOptions,
} from "../../../lib/faults/latency.ts";
import { LineStream } from "../../../lib/mod.ts";
import { chunks, joined } from "../../support/chunks.ts";
import { bytes, text } from "../../support/client.ts";
import { FakeClock } from "./fake_clock.ts";
import { fill, type Out, readStage, timesAndTexts } from "./stage.ts";

const LF = 0x0a;
const MiB = 1024 * 1024;

/** When each byte came out that was put in at 0. */
async function timesOf(
  input: Uint8Array[],
  seconds: number,
  options: LatencyOptions,
): Promise<number[]> {
  const clock = new FakeClock();
  const { writer, out, done } = readStage(
    holdingStream(new DelayLine(seconds, options), clock),
    clock,
  );
  for (const chunk of input) await writer.write(chunk);
  await writer.close();
  await clock.advance(10_000);
  await done;
  return timesOfBytes(out);
}

function timesOfBytes(out: Out[]): number[] {
  return out.flatMap(({ at, bytes }) => Array.from(bytes, () => at));
}

Deno.test("latency lets waits overlap and keeps the order", async () => {
  const clock = new FakeClock();
  const { writer, out, done } = readStage(
    holdingStream(new DelayLine(0.05), clock),
    clock,
  );
  for (const line of ["a\n", "b\n", "c\n"]) {
    await writer.write(bytes(line));
    await clock.advance(10);
  }
  await writer.close();
  await clock.advance(100);
  await done;
  assert.deepEqual(timesAndTexts(out), [
    [50, "a\n"],
    [60, "b\n"],
    [70, "c\n"],
  ]);
});

Deno.test("latency gives lines together that are due together", async () => {
  const clock = new FakeClock();
  const { writer, out } = readStage(
    holdingStream(new DelayLine(0.05), clock),
    clock,
  );
  await writer.write(bytes("a\nb\n"));
  await writer.write(bytes("c\n"));
  await clock.advance(49.9);
  assert.deepEqual(out, []);
  await clock.advance(1);
  assert.deepEqual(timesAndTexts(out), [[50, "a\nb\nc\n"]]);
  await writer.abort();
});

Deno.test("latency is never shorter than asked for, by a fraction of a millisecond", async () => {
  const clock = new FakeClock();
  const stage = holdingStream(new DelayLine(0.05), clock);
  await clock.advance(0.5);
  await stage.writable.getWriter().write(bytes("a\n"));
  await clock.advance(49.75);
  const reader = stage.readable.getReader();
  const read = reader.read().then(() => clock.now());
  await clock.advance(2);
  assert.ok(await read >= 50.5);
  await reader.cancel();
});

Deno.test("latency lets bytes go that came before the writable end closed, in their time", async () => {
  const clock = new FakeClock();
  const { writer, out, done } = readStage(
    holdingStream(new DelayLine(2), clock),
    clock,
  );
  await writer.write(bytes("late"));
  await clock.advance(1000);
  await writer.close();
  await clock.advance(999);
  assert.deepEqual(out, []);
  await clock.advance(1);
  await done;
  assert.deepEqual(timesAndTexts(out), [[2000, "late"]]);
});

Deno.test("latency takes 1 MiB that waits, and no more until some has gone", async () => {
  const clock = new FakeClock();
  const stage = holdingStream(new DelayLine(1), clock);
  const chunk = new Uint8Array(64 * 1024);
  const taken = await fill(stage, chunk);
  assert.equal(taken, MiB);
  const reader = stage.readable.getReader();
  const read = reader.read();
  await clock.advance(1000);
  assert.equal((await read).value?.length, taken);
  await reader.cancel();
});

Deno.test("latency that is full frees all when its writer aborts", async () => {
  const clock = new FakeClock();
  const stage = holdingStream(new DelayLine(1), clock);
  const writer = stage.writable.getWriter();
  const read = stage.readable.getReader().read();
  const writing = writer.write(new Uint8Array(2 * MiB));
  await turn();
  assert.equal(clock.waits, true);
  const reason = new Error("reset");
  await Promise.all([
    writer.abort(reason),
    writing,
    assert.rejects(read, reason),
    assert.rejects(writer.closed, reason),
  ]);
  assert.equal(clock.waits, false);
});

Deno.test("latency with jitter draws once for each line, whatever the chunks", () =>
  fc.assert(
    fc.asyncProperty(chunks, fc.maxSafeNat(), async (input, seed) => {
      const options = { jitter: 0.5, seed, connection: 4 };
      const all = joined(input).slice(0, 20_000);
      const cut: Uint8Array[] = [];
      for (let at = 0, i = 0; at < all.length; i++) {
        const length = 1 + (input[i % input.length]!.length * 7 + i) % 500;
        cut.push(all.subarray(at, at + length));
        at += length;
      }
      const once = await timesOf([all], 1, options);
      assert.deepEqual(await timesOf(cut, 1, options), once);
      assert.equal(once.length, all.length);
      once.forEach((time, i) => {
        const start = i === 0 || all[i - 1] === LF;
        assert.ok(time >= (once[i - 1] ?? 0));
        if (!start) assert.equal(time, once[i - 1]);
      });
    }),
    { numRuns: 30 },
  ));

Deno.test("latency with jitter draws evenly from so much less to so much more", async () => {
  const delays: number[] = [];
  for (let connection = 1; connection <= 2000; connection++) {
    const options = { jitter: 0.02, seed: 1, connection };
    delays.push(...await timesOf([bytes("\n")], 0.05, options));
  }
  assert.ok(delays.every((ms) => ms >= 30 && ms <= 71));
  for (const [from, to] of [[30, 40], [40, 50], [50, 60], [60, 71]] as const) {
    const part = delays.filter((ms) => ms > from && ms <= to).length / 2000;
    assert.ok(Math.abs(part - 0.25) < 0.05, `${part} from ${from} to ${to}`);
  }
});

Deno.test("latency with more jitter than latency never wakes in the past", async () => {
  const times = await timesOf([bytes("\n".repeat(50))], 0.01, { jitter: 1 });
  assert.ok(times.every((ms) => ms >= 0 && ms <= 1010));
});

Deno.test("latency in raw mode draws for each chunk", async () => {
  const options = { jitter: 0.05, seed: 3, mode: "raw" } as const;
  const one = await timesOf([bytes("a\nb\nc\n")], 0.05, options);
  assert.equal(new Set(one).size, 1);
  const clock = new FakeClock();
  const { writer, out, done } = readStage(
    holdingStream(new DelayLine(0.05, options), clock),
    clock,
  );
  for (let i = 0; i < 10; i++) {
    await writer.write(bytes("x"));
    await clock.advance(1000);
  }
  await writer.close();
  await done;
  assert.equal(new Set(out.map(({ at }) => at % 1000)).size > 5, true);
});

Deno.test("latency draws other delays for another seed and connection", async () => {
  const input = [bytes("a\nb\nc\nd\n")];
  const times = (seed: number, connection: number) =>
    timesOf(input, 1, { jitter: 1, seed, connection });
  assert.deepEqual(await times(1, 1), await times(1, 1));
  assert.notDeepEqual(await times(1, 1), await times(2, 1));
  assert.notDeepEqual(await times(1, 1), await times(1, 2));
});

Deno.test("latency gives 10,000 streams one timer", async () => {
  const clock = new FakeClock();
  const stages = Array.from(
    { length: 10_000 },
    () => readStage(holdingStream(new DelayLine(0.05), clock), clock),
  );
  for (const { writer } of stages) writer.write(bytes("x\n"));
  await clock.advance(50);
  assert.ok(stages.every(({ out }) => out.length === 1));
  assert.equal(clock.timers, 1);
});

Deno.test("latency waits by the thread's clock in a plain pipe", async () => {
  const begin = performance.now();
  const out = await Array.fromAsync(
    ReadableStream.from([bytes("one\ntw"), bytes("o\nthree")])
      .pipeThrough(new LineStream())
      .pipeThrough(latency(0.02)),
  );
  assert.equal(text(joined(out)), "one\ntwo\nthree");
  assert.ok(performance.now() - begin >= 20);
});

for (const seconds of [-1, NaN, Infinity, 86_401, "1"]) {
  Deno.test(`latency refuses ${Deno.inspect(seconds)}`, () => {
    const wrong = seconds as number;
    assert.throws(
      () => latency(wrong),
      /^RangeError: latency must be a number/,
    );
    assert.throws(
      () => latency(1, { jitter: wrong }),
      /^RangeError: jitter must be a number from 0 to 86400, not /,
    );
  });
}

for (const connection of [0, -1, 1.5, NaN, 2 ** 53, "1"]) {
  Deno.test(`latency refuses connection ${Deno.inspect(connection)}`, () => {
    assert.throws(
      () => latency(1, { connection: connection as number }),
      /^RangeError: connection must be a whole number from 1 to 9007199254740991, not /,
    );
  });
}
