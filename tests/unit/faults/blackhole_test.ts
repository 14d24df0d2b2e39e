import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { blackhole } from "../../../lib/faults/blackhole.ts";
import { bytes } from "../../support/client.ts";
import { FakeClock } from "./fake_clock.ts";

/** An input that never lacks bytes. */
function flood() {
  const seen = { pulls: 0, cancelled: false };
  const input = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await turn();
      if (seen.cancelled) return;
      seen.pulls++;
      controller.enqueue(bytes("flood\n"));
    },
    cancel: () => void (seen.cancelled = true),
  });
  return { input, seen };
}

/** Notes when `promise` settles. */
function settled(promise: Promise<void>): { readonly yes: boolean } {
  const state = { yes: false };
  promise.then(() => state.yes = true, () => state.yes = true);
  return state;
}

Deno.test("blackhole takes all input until its time is over", async () => {
  const clock = new FakeClock();
  const { input, seen } = flood();
  const hole = blackhole(input, 2, { elapsed: 0.5, clock });
  const over = settled(hole);
  for (let i = 0; i < 10; i++) await turn();
  assert.ok(seen.pulls > 3);
  await clock.advance(1499);
  assert.equal(over.yes, false);
  await clock.advance(1);
  await hole;
  assert.equal(seen.cancelled, true);
});

Deno.test("blackhole lasts beyond the end of its input", async () => {
  const clock = new FakeClock();
  const hole = blackhole(ReadableStream.from([bytes("x")]), 2, { clock });
  const over = settled(hole);
  await clock.advance(1999);
  assert.equal(over.yes, false);
  await clock.advance(1);
  await hole;
});

Deno.test("blackhole of 0 lasts until its signal aborts", async () => {
  const clock = new FakeClock();
  const abort = new AbortController();
  const { signal } = abort;
  const hole = blackhole(ReadableStream.from([]), 0, { signal, clock });
  const over = settled(hole);
  await clock.advance(86_400_000);
  assert.equal(over.yes, false);
  abort.abort();
  await hole;
});

Deno.test("blackhole ends at once for a signal, and leaves no alarm", async () => {
  const clock = new FakeClock();
  const { input, seen } = flood();
  const abort = new AbortController();
  const hole = blackhole(input, 60, { signal: abort.signal, clock });
  await clock.advance(10);
  abort.abort();
  await hole;
  assert.equal(seen.cancelled, true);
  assert.equal(clock.waits, false);
  await blackhole(flood().input, 60, { signal: abort.signal, clock });
});

Deno.test("blackhole fails with its input", async () => {
  const clock = new FakeClock();
  const reason = new Error("reset");
  const input = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(reason),
  });
  await assert.rejects(blackhole(input, 60, { clock }), reason);
  assert.equal(clock.waits, false);
});

for (const elapsed of [-1, NaN, "1"]) {
  Deno.test(`blackhole refuses ${Deno.inspect(elapsed)} s elapsed`, async () => {
    await assert.rejects(
      blackhole(flood().input, 1, { elapsed: elapsed as number }),
      /^RangeError: elapsed must be a number from 0, not /,
    );
  });
}

Deno.test("blackhole refuses a time out of its range", async () => {
  await assert.rejects(
    blackhole(ReadableStream.from([]), -1),
    /^RangeError: blackhole must be a number from 0 to 86400, not -1/,
  );
});
