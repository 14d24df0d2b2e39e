import assert from "node:assert/strict";
import { Schedule } from "../../../lib/probe/schedule.ts";

function schedule(
  options: {
    connections?: number;
    rate?: number;
    count?: number;
    duration?: number;
  } = {},
): { schedule: Schedule; over: () => number } {
  let over = 0;
  const made = new Schedule({
    connections: 1,
    rate: 0,
    count: undefined,
    ...options,
    onDue: () => {},
    onOver: () => over++,
  });
  return { schedule: made, over: () => over };
}

Deno.test("Schedule without a rate lets a line go at once", () => {
  const pace = schedule().schedule.pace(0);
  pace.begin(5);
  assert.equal(pace.take(5), 5);
  assert.equal(pace.take(5), 5);
});

Deno.test("Schedule ends after its count, and says so", () => {
  const { schedule: made, over } = schedule({ count: 2 });
  const pace = made.pace(0);
  pace.take(1);
  assert.equal(made.over, false);
  pace.take(1);
  assert.equal(over(), 1);
  assert.equal(made.over, true);
  assert.equal(pace.take(1), NaN);
});

Deno.test("Schedule spreads a rate evenly over its connections", () => {
  // 20 lines a second on two connections: each has one every 100 ms.
  const { schedule: made } = schedule({ connections: 2, rate: 20 });
  made.start(1000);
  const [first, second] = [made.pace(0), made.pace(1)];
  first.begin(1000);
  second.begin(1000);
  const dues = [1000, 1050, 1100, 1150].map((now) => {
    return [first.take(now), second.take(now)];
  });
  assert.deepEqual(dues, [[1000, NaN], [NaN, 1050], [1100, NaN], [NaN, 1150]]);
  made.stop();
});

for (
  const [rate, duration, lines] of [
    [10, 1, 10],
    [3, 1, 3],
    [7, 3, 21],
    [3, 0.5, 2],
  ] as const
) {
  Deno.test(`Schedule has ${lines} lines in ${duration} s at ${rate} a second`, () => {
    const { schedule: made } = schedule({ rate, duration });
    made.start(0);
    const pace = made.pace(0);
    pace.begin(0);
    let taken = 0;
    while (!Number.isNaN(pace.take(duration * 1000 + 500))) taken++;
    assert.equal(taken, lines);
    made.stop();
  });
}

Deno.test("Schedule counts from when a line was due if the connection was busy", () => {
  const { schedule: made } = schedule({ rate: 10 });
  made.start(0);
  const pace = made.pace(0);
  pace.begin(0);
  pace.wasFree(0);
  assert.equal(pace.take(0), 0);
  // Busy until 350.
  assert.deepEqual([1, 2, 3, 4].map(() => pace.take(350)), [
    100,
    200,
    300,
    NaN,
  ]);
  made.stop();
});

Deno.test("Schedule counts from now if only the timer was late", () => {
  const { schedule: made } = schedule({ rate: 10 });
  made.start(0);
  const pace = made.pace(0);
  pace.begin(0);
  pace.wasFree(7);
  assert.equal(pace.take(7), 7);
  made.stop();
});

Deno.test("Schedule leaves out what was due before the connection was open", () => {
  const { schedule: made } = schedule({ rate: 10 });
  made.start(0);
  const pace = made.pace(0);
  pace.begin(250);
  assert.equal(pace.take(299), NaN);
  assert.equal(pace.take(300), 300);
  made.stop();
});
