import assert from "node:assert/strict";
import fc from "fast-check";
import {
  blackholeSeconds,
  datagramFaults,
  faultStages,
  type SeededFaults,
} from "../../../lib/faults/faults.ts";
import { isLost } from "../../../lib/faults/loss.ts";
import { isAffected } from "../../../lib/faults/share.ts";
import { LineStream } from "../../../lib/mod.ts";
import { chunks, joined } from "../../support/chunks.ts";
import { bytes } from "../../support/client.ts";
import { FakeClock } from "./fake_clock.ts";
import { type Out, timesAndTexts } from "./stage.ts";

/** What comes back of `input` that arrives at 0 and then ends, and when. */
async function echoed(
  input: Uint8Array[],
  faults: SeededFaults,
  connection = 1,
): Promise<{ out: Out[]; end: number }> {
  const clock = new FakeClock();
  const out: Out[] = [];
  let end = -1;
  const sink = new WritableStream<Uint8Array>({
    write: (bytes) => void out.push({ at: clock.now(), bytes }),
    close: () => void (end = clock.now()),
  });
  const lines = ReadableStream.from(input).pipeThrough(new LineStream());
  const piped = faultStages(faults, connection, "line", clock)
    .reduce((bytes, stage) => bytes.pipeThrough(stage), lines)
    .pipeTo(sink);
  await clock.advance(100_000);
  await piped;
  assert.equal(clock.waits, false);
  return { out, end };
}

Deno.test("faultStages are none without faults, and for who is not affected", () => {
  assert.deepEqual(faultStages({ seed: 1 }, 1, "line"), []);
  assert.deepEqual(
    faultStages({ seed: 1, latency: 1, share: 0 }, 1, "line"),
    [],
  );
});

Deno.test("faultStages all work together, in an order that keeps each", async () => {
  const { out, end } = await echoed(
    [bytes("abcdefghij\nklm\n"), bytes("beyond\n")],
    { seed: 1, limit: 12, latency: 1, rate: 1000, slice: 5, slowClose: 3 },
  );
  assert.deepEqual(timesAndTexts(out), [
    [1000, "abcde"],
    [1000, "fghij"],
    [1000, "\nk"],
  ]);
  assert.equal(end, 4000);
});

Deno.test("faultStages let a line wait for jitter alone", async () => {
  const times: number[] = [];
  for (let connection = 1; connection <= 20; connection++) {
    const faults = { seed: 3, jitter: 5 };
    const { out } = await echoed([bytes("a\n")], faults, connection);
    times.push(out[0]!.at);
  }
  assert.ok(times.every((ms) => ms <= 5000));
  assert.ok(new Set(times).size > 5);
});

Deno.test("faultStages give the same bytes for the same seed and connection, whatever the chunks", () =>
  fc.assert(
    fc.asyncProperty(
      chunks,
      fc.maxSafeNat(),
      fc.integer({ min: 1, max: 100 }),
      async (input, seed, connection) => {
        const faults = {
          seed,
          corrupt: 0.01,
          limit: 50_000,
          latency: 0.01,
          jitter: 0.01,
          rate: 1_000_000,
          slice: 700,
        };
        const all = joined(input);
        const bytesOf = ({ out }: { out: Out[] }) =>
          joined(out.map(({ bytes }) => bytes));
        const cut = bytesOf(await echoed(input, faults, connection));
        const once = bytesOf(await echoed([all], faults, connection));
        assert.deepEqual(cut, once);
        assert.equal(cut.length, Math.min(all.length, 50_000));
      },
    ),
    { numRuns: 20 },
  ));

Deno.test("isAffected takes the share that was asked for, the same for the same seed", () => {
  for (const share of [0, 0.1, 0.5, 1]) {
    const affected = (seed: number) =>
      Array.from({ length: 10_000 }, (_, n) => isAffected(seed, n + 1, share));
    const count = affected(7).filter(Boolean).length;
    assert.ok(Math.abs(count - share * 10_000) < 200, `${count} of ${share}`);
    assert.deepEqual(affected(7), affected(7));
    if (share % 1) assert.notDeepEqual(affected(7), affected(8));
  }
});

Deno.test("blackholeSeconds is the time of those affected", () => {
  assert.equal(blackholeSeconds({ seed: 1, blackhole: 0 }, 1), 0);
  assert.equal(
    blackholeSeconds({ seed: 1, blackhole: 5, share: 0 }, 1),
    undefined,
  );
  assert.equal(blackholeSeconds({ seed: 1 }, 1), undefined);
});

Deno.test("datagramFaults change nothing without faults", () => {
  const faults = datagramFaults({ seed: 1 });
  const datagram = bytes("ping");
  for (let n = 1; n < 100; n++) {
    assert.equal(faults.drop(n), false);
    assert.equal(faults.delay(n), 0);
    assert.equal(faults.corrupt(n, datagram), datagram);
  }
});

Deno.test("datagramFaults depend on seed and number alone", () => {
  const settings = {
    seed: 5,
    share: 0.5,
    loss: 0.5,
    latency: 1,
    jitter: 0.5,
    corrupt: 0.5,
  };
  const datagram = bytes("ping");
  const met = (seed: number, numbers: number[]) => {
    const faults = datagramFaults({ ...settings, seed });
    return numbers.map((n) => [
      faults.drop(n),
      faults.delay(n),
      faults.corrupt(n, datagram),
    ]);
  };
  const numbers = Array.from({ length: 50 }, (_, n) => n + 1);
  const once = met(5, numbers);
  assert.deepEqual(met(5, numbers.toReversed()), once.toReversed());
  assert.notDeepEqual(met(6, numbers), once);
});

Deno.test("datagramFaults drop, delay and corrupt as much as was asked for", () => {
  const numbers = Array.from({ length: 10_000 }, (_, n) => n + 1);
  const faults = datagramFaults({
    seed: 9,
    share: 0.5,
    loss: 0.2,
    latency: 1,
    jitter: 0.1,
    corrupt: 0.25,
  });
  const dropped = numbers.filter((n) => faults.drop(n)).length;
  assert.ok(Math.abs(dropped - 1000) < 150, `${dropped} dropped`);
  const delays = numbers.map((n) => faults.delay(n)).filter((s) => s > 0);
  assert.ok(Math.abs(delays.length - 5000) < 250, `${delays.length} delayed`);
  assert.ok(delays.every((s) => s >= 0.9 && s <= 1.1));
  const zeros = new Uint8Array(4);
  const hits = numbers.flatMap((n) => [...faults.corrupt(n, zeros)])
    .filter((byte) => byte !== 0).length;
  assert.ok(Math.abs(hits - 5000) < 350, `${hits} bytes wrong`);
});

Deno.test("datagramFaults wait for no negative time", () => {
  const faults = datagramFaults({ seed: 1, latency: 0.1, jitter: 1 });
  for (let n = 1; n < 100; n++) assert.ok(faults.delay(n) >= 0);
});

Deno.test("isLost of 0 is never, of 1 always", () => {
  for (let n = 1; n < 1000; n++) {
    assert.equal(isLost(1, n, 0), false);
    assert.equal(isLost(1, n, 1), true);
  }
});
