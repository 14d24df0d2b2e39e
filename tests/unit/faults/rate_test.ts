import assert from "node:assert/strict";
import { holdingStream } from "../../../lib/faults/holding_stream.ts";
import { rate, tokenBucket } from "../../../lib/faults/rate.ts";
import { FakeClock } from "./fake_clock.ts";
import { fill, type Out, readStage } from "./stage.ts";

/** What comes out within ten seconds of a stage that always has more. */
async function tenSeconds(
  bytesPerSecond: number,
  chunk: number,
): Promise<Out[]> {
  const clock = new FakeClock();
  const stage = holdingStream(tokenBucket(bytesPerSecond), clock);
  const { writer, out, done } = readStage(stage, clock);
  let open = true;
  const writing = (async () => {
    while (open) await writer.write(new Uint8Array(chunk));
  })();
  await clock.advance(10_000);
  open = false;
  await writer.abort("over");
  await Promise.allSettled([writing, done]);
  return out;
}

const sum = (out: Out[]) =>
  out.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** The most bytes that came within `window` milliseconds. */
function most(out: Out[], window: number): number {
  let most = 0;
  for (let from = 0, to = 0, inside = 0; to < out.length; to++) {
    inside += out[to]!.bytes.length;
    while (out[from]!.at < out[to]!.at - window) {
      inside -= out[from++]!.bytes.length;
    }
    most = Math.max(most, inside);
  }
  return most;
}

for (const chunk of [1, 64, 100_000]) {
  for (const perSecond of [10, 333, 1000, 56_000, 1_000_000]) {
    if (perSecond / chunk > 20_000) continue;
    Deno.test(`rate of ${perSecond} lets ${perSecond} bytes a second through in chunks of ${chunk}`, async () => {
      const out = await tenSeconds(perSecond, chunk);
      const got = sum(out) / 10;
      assert.ok(Math.abs(got / perSecond - 1) < 0.05, `${got} a second`);
      const atOnce = most(out, 0);
      assert.ok(atOnce <= Math.max(1, perSecond / 10), `${atOnce} at once`);
    });
  }
}

Deno.test("rate makes up for what a late thread has missed, up to 80 ms", async () => {
  const clock = new FakeClock();
  const { writer, out, done } = readStage(
    holdingStream(tokenBucket(1000), clock),
    clock,
  );
  const writing = writer.write(new Uint8Array(5000));
  await clock.advance(1000);
  const before = sum(out);
  for (let i = 0; i < 10; i++) {
    clock.stall(60);
    await clock.advance(40);
  }
  assert.ok(Math.abs(sum(out) - before - 1000) <= 20, `${sum(out) - before}`);
  assert.ok(most(out, 0) <= 100);
  const late = sum(out);
  clock.stall(1000);
  await clock.advance(0);
  assert.ok(sum(out) - late <= 100, `${sum(out) - late}`);
  await writer.abort();
  await Promise.allSettled([writing, done]);
});

Deno.test("rate gives no more than 100 ms at once behind a rest", async () => {
  const clock = new FakeClock();
  const { writer, out, done } = readStage(
    holdingStream(tokenBucket(1000), clock),
    clock,
  );
  await clock.advance(60_000);
  const writing = writer.write(new Uint8Array(1000));
  await clock.advance(0);
  assert.ok(sum(out) <= 100, `${sum(out)}`);
  await clock.advance(2000);
  assert.equal(sum(out), 1000);
  await writer.abort();
  await Promise.allSettled([writing, done]);
});

Deno.test("rate gives no more than 100 ms at once to a reader that was slow", async () => {
  const clock = new FakeClock();
  const stage = holdingStream(tokenBucket(1000), clock);
  const writer = stage.writable.getWriter();
  const writing = writer.write(new Uint8Array(50_000));
  await clock.advance(30_000);
  assert.equal(clock.waits, false);
  let got = 0;
  const reading = stage.readable.pipeTo(
    new WritableStream({ write: ({ length }) => void (got += length) }),
  );
  await clock.advance(0);
  assert.ok(got > 0 && got <= 100, `${got}`);
  await writer.abort();
  await Promise.allSettled([writing, reading]);
});

Deno.test("rate holds one chunk", async () => {
  const stage = holdingStream(tokenBucket(1), new FakeClock());
  assert.equal(await fill(stage, new Uint8Array(5000)), 5000);
  await stage.readable.cancel();
});

for (const wrong of [0, -1, 1.5, NaN, Infinity, "1"]) {
  Deno.test(`rate refuses ${Deno.inspect(wrong)}`, () => {
    assert.throws(
      () => rate(wrong as number),
      /^RangeError: rate must be a whole number from 1, not /,
    );
  });
}
