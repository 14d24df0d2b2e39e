import assert from "node:assert/strict";
import fc from "fast-check";
import { threadClock } from "../../../lib/faults/clock.ts";
import { FakeClock } from "./fake_clock.ts";

Deno.test("AlarmClock wakes in order of time, then of asking, and none that was cancelled", () =>
  fc.assert(fc.asyncProperty(
    fc.array(fc.record({ time: fc.nat(50), cancelled: fc.boolean() }), {
      maxLength: 100,
      size: "max",
    }),
    async (asked) => {
      const clock = new FakeClock();
      const woken: number[] = [];
      const alarms = asked.map(({ time }, i) =>
        clock.at(time, () => {
          assert.equal(clock.now(), time);
          woken.push(i);
        })
      );
      asked.forEach(({ cancelled }, i) => cancelled && alarms[i]!.cancel());
      await clock.advance(50);
      const expected = asked.map(({ time, cancelled }, i) => ({
        time,
        cancelled,
        i,
      })).filter(({ cancelled }) => !cancelled)
        .sort((a, b) => a.time - b.time || a.i - b.i);
      assert.deepEqual(woken, expected.map(({ i }) => i));
      assert.equal(clock.waits, false);
    },
  )));

Deno.test("AlarmClock has one timer, whatever waits, and none when nothing does", async () => {
  const clock = new FakeClock();
  const alarms = Array.from(
    { length: 10_000 },
    (_, i) => clock.at(100 + i % 10, () => {}),
  );
  assert.equal(clock.timers, 1);
  await clock.advance(200);
  assert.equal(clock.timers, 10);
  assert.equal(clock.waits, false);
  alarms.forEach((alarm) => alarm.cancel());
  const alarm = clock.at(300, () => {});
  assert.equal(clock.waits, true);
  alarm.cancel();
  alarm.cancel();
  assert.equal(clock.waits, false);
});

Deno.test("AlarmClock sets its timer again for an earlier alarm", async () => {
  const clock = new FakeClock();
  const woken: number[] = [];
  clock.at(100, () => woken.push(clock.now()));
  clock.at(10, () => woken.push(clock.now()));
  await clock.advance(100);
  assert.deepEqual(woken, [10, 100]);
});

Deno.test("AlarmClock takes all alarms back at once, and goes on", async () => {
  const clock = new FakeClock();
  const woken: number[] = [];
  const taken = [3, 1, 2].map((time) =>
    clock.at(time, () => woken.push(clock.now()))
  );
  clock.cancelAll();
  assert.equal(clock.waits, false);
  clock.at(5, () => woken.push(clock.now()));
  taken.forEach((alarm) => alarm.cancel());
  await clock.advance(10);
  assert.deepEqual(woken, [5]);
});

Deno.test("AlarmClock takes alarms from an alarm that goes off", async () => {
  const clock = new FakeClock();
  const woken: number[] = [];
  const again = () => {
    woken.push(clock.now());
    if (woken.length < 3) clock.at(clock.now() + 5, again);
  };
  clock.at(5, again);
  await clock.advance(100);
  assert.deepEqual(woken, [5, 10, 15]);
});

Deno.test("AlarmClock wakes the others when one throws", async () => {
  const clock = new FakeClock();
  const woken: number[] = [];
  const reason = new Error("broken");
  clock.at(5, () => {
    throw reason;
  });
  clock.at(5, () => woken.push(clock.now()));
  await assert.rejects(clock.advance(5), reason);
  await clock.advance(5);
  assert.deepEqual(woken, [5]);
});

Deno.test("AlarmClock refuses NaN, and wakes the others", async () => {
  const clock = new FakeClock();
  const woken: number[] = [];
  clock.at(5, () => woken.push(clock.now()));
  assert.throws(() => clock.at(NaN, () => {}), RangeError);
  clock.at(7, () => woken.push(clock.now()));
  await clock.advance(10);
  assert.deepEqual(woken, [5, 7]);
});

Deno.test("threadClock wakes no earlier than asked", async () => {
  for (const wait of [0, 0.3, 1.7, 5]) {
    const time = threadClock.now() + wait;
    const { promise, resolve } = Promise.withResolvers<void>();
    threadClock.at(time, resolve);
    await promise;
    assert.ok(threadClock.now() >= time);
  }
});
