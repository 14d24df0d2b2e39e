import assert from "node:assert/strict";
import fc from "fast-check";
import {
  Counters,
  ENDINGS,
  REJECT_REASONS,
  sumSnapshots,
} from "../../../lib/telemetry/counters.ts";

/** What can happen to a listener, once a connection was accepted for it. */
const life = fc.oneof(
  fc.constant(() => {}),
  fc.constantFrom(...REJECT_REASONS).map((reason) => (counters: Counters) =>
    counters.reject(reason)
  ),
  fc.record({
    ending: fc.constantFrom(...ENDINGS),
    seconds: fc.nat(1_000),
    bytesIn: fc.nat(),
    bytesOut: fc.nat(),
  }).map(({ ending, seconds, bytesIn, bytesOut }) => (counters: Counters) =>
    counters.close(ending, seconds, bytesIn, bytesOut)
  ),
);
const lives = fc.array(life);

function countersOf(lives: ((counters: Counters) => void)[]): Counters {
  const counters = new Counters();
  for (const live of lives) {
    counters.accept();
    live(counters);
  }
  return counters;
}

function total(counts: Record<string, number>): number {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}

Deno.test("Counters: accepted are the open, the closed and the rejected", () => {
  fc.assert(fc.property(lives, (lives) => {
    const { accepted, open, closed, rejected } = countersOf(lives).snapshot();
    assert.equal(accepted, lives.length);
    assert.equal(accepted, open + total(closed) + total(rejected));
  }));
});

Deno.test("Counters keep every ending and every reason apart", () => {
  for (const ending of ENDINGS) {
    const counters = new Counters();
    counters.accept();
    counters.close(ending, 0.5, 3, 2);
    const { open, closed, bytesIn, bytesOut, durations } = counters.snapshot();
    assert.deepEqual([open, total(closed), closed[ending]], [0, 1, 1]);
    assert.deepEqual([bytesIn, bytesOut, durations.sum], [3, 2, 0.5]);
  }
  for (const reason of REJECT_REASONS) {
    const counters = new Counters();
    counters.accept();
    counters.reject(reason);
    const { open, rejected, durations } = counters.snapshot();
    assert.deepEqual([open, total(rejected), rejected[reason]], [0, 1, 1]);
    assert.ok(durations.counts.every((count) => count === 0));
  }
});

Deno.test("Counters count a client that had gone apart from the accepted", () => {
  const counters = new Counters();
  counters.abort();
  const { accepted, open, abortedBeforeAccept } = counters.snapshot();
  assert.deepEqual([accepted, open, abortedBeforeAccept], [0, 0, 1]);
});

Deno.test("Counters count datagrams and their bytes", () => {
  const counters = new Counters();
  counters.datagramIn(512);
  counters.datagramIn(0);
  counters.datagramOut(512);
  const { datagramsIn, datagramsOut, bytesIn, bytesOut } = counters.snapshot();
  assert.deepEqual([datagramsIn, datagramsOut], [2, 1]);
  assert.deepEqual([bytesIn, bytesOut], [512, 512]);
});

Deno.test("Counters add what open connections have moved to a snapshot alone", () => {
  const counters = new Counters();
  counters.accept();
  const { bytesIn, bytesOut } = counters.snapshot({ bytesIn: 7, bytesOut: 5 });
  assert.deepEqual([bytesIn, bytesOut], [7, 5]);
  assert.equal(counters.snapshot().bytesIn, 0);
});

Deno.test("Counters are seen by another view of the same cells", () => {
  const cells = new Float64Array(
    new SharedArrayBuffer(2 * Counters.LENGTH * 8),
    Counters.LENGTH * 8,
  );
  const counters = new Counters(cells);
  counters.accept();
  counters.close("reset", 2, 3, 4);
  assert.deepEqual(new Counters(cells).snapshot(), counters.snapshot());
});

Deno.test("Counters never show less than no open connection", () => {
  const cells = new Float64Array(Counters.LENGTH);
  // As another thread may see it: the end is there before the beginning.
  new Counters(cells).reject("access");
  const { accepted, open } = new Counters(cells).snapshot();
  assert.deepEqual([accepted, open], [1, 0]);
});

Deno.test("Counters refuse cells of another length", () => {
  for (const length of [0, Counters.LENGTH - 1, Counters.LENGTH + 1]) {
    assert.throws(() => new Counters(new Float64Array(length)), {
      name: "RangeError",
      message: `Cannot count: ${Counters.LENGTH} cells are needed: ${length}`,
    });
  }
});

Deno.test("sumSnapshots gives what one set of counters would have", () => {
  fc.assert(fc.property(lives, lives, (some, others) => {
    assert.deepEqual(
      sumSnapshots(countersOf(some).snapshot(), countersOf(others).snapshot()),
      countersOf([...some, ...others]).snapshot(),
    );
  }));
});
