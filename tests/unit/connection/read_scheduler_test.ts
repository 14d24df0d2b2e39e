import assert from "node:assert/strict";
import {
  NO_PROOF,
  type Reader,
  ReadScheduler,
} from "../../../lib/connection/read_scheduler.ts";
import { eventLoopTurn } from "../../../lib/util/async.ts";

/** Turns the event loop so often. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await eventLoopTurn();
}

function roundOf(reads: ReadScheduler): Promise<void> {
  return new Promise((resolve) => reads.round(resolve));
}

/** Reads of which nothing is heard. */
function reader(begun: () => void): Reader {
  return {
    beginRead() {
      begun();
      return true;
    },
  };
}

Deno.test("ReadScheduler lets reads begin at once unless there is a round", async () => {
  const reads = new ReadScheduler();
  let begun = 0;
  const one = reader(() => begun++);
  assert.equal(reads.enter(one), true);
  assert.equal(begun, 1);
  let begunInRound = 0;
  reads.round(() => begunInRound = begun);
  assert.equal(reads.enter(one), false);
  await reads.turn();
  assert.equal(begunInRound, 1);
  assert.equal(begun, 2);
  assert.equal(reads.enter(one), true);
});

Deno.test("ReadScheduler proves a round before any read begins again", async () => {
  const reads = new ReadScheduler();
  const order: string[] = [];
  reads.round(() => order.push("proven"));
  reads.enter(reader(() => order.push("read")));
  await reads.turn();
  assert.deepEqual(order, ["proven", "read"]);
});

Deno.test("ReadScheduler ends no round within 62 turns of an answer", async () => {
  const reads = new ReadScheduler();
  let proven = false;
  reads.round(() => proven = true);
  for (let answer = 0; answer < 5; answer++) {
    await turns(61);
    assert.equal(proven, false);
    reads.answered(NO_PROOF, 1, false);
  }
  while (!proven) await eventLoopTurn();
});

Deno.test("ReadScheduler gives a round of its own to who asks during another", async () => {
  const reads = new ReadScheduler();
  const ended: string[] = [];
  reads.round(() => ended.push("first"));
  await turns(30);
  const later = new Promise<void>((resolve) => {
    reads.round(() => {
      ended.push("second");
      resolve();
    });
  });
  // Half of the first round was over when the second was asked for.
  await turns(50);
  assert.deepEqual(ended, ["first"]);
  await later;
  assert.deepEqual(ended, ["first", "second"]);
});

Deno.test("ReadScheduler lets no read begin in a round that follows another", async () => {
  const reads = new ReadScheduler();
  let begun = 0;
  const one = reader(() => begun++);
  const second = new Promise<number>((resolve) =>
    reads.round(() => reads.round(() => resolve(begun)))
  );
  // Begins between the two, and leaves the queue empty.
  reads.enter(one);
  while (begun === 0) await eventLoopTurn();
  await turns(2);
  assert.equal(reads.enter(one), false);
  assert.equal(await second, 1);
});

Deno.test("ReadScheduler shares a round among all who ask for the next", async () => {
  const reads = new ReadScheduler();
  const ended: number[] = [];
  for (const asker of [1, 2, 3]) reads.round(() => ended.push(asker));
  await roundOf(reads);
  assert.deepEqual(ended, [1, 2, 3]);
});

/** Reads that are answered when the test says so. */
class Reads {
  readonly reads = new ReadScheduler();
  /** Which have begun, in order. */
  readonly begun: number[] = [];

  enter(...numbers: number[]): void {
    for (const number of numbers) {
      this.reads.enter(reader(() => this.begun.push(number)));
    }
  }

  /** So many are answered in one go of the runtime. */
  async answer(count: number, bytes = 1): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.reads.answered(NO_PROOF, bytes, false);
    }
    await Promise.resolve();
  }
}

const range = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => from + i);

Deno.test("ReadScheduler queues reads once a whole budget is answered together", async () => {
  const some = new Reads();
  some.enter(...range(0, 119));
  await some.answer(119);
  some.enter(1000);
  assert.equal(some.begun.at(-1), 1000);

  const many = new Reads();
  many.enter(...range(0, 120));
  await many.answer(120);
  many.enter(1000);
  assert.equal(many.begun.length, 120);
  // Nobody answers any more: after a while it begins all the same.
  await many.reads.turn();
  assert.equal(many.begun.at(-1), 1000);
});

Deno.test("ReadScheduler lets a few begin at a time, first come, first served", async () => {
  const many = new Reads();
  many.enter(...range(0, 200));
  await many.answer(120);
  many.enter(...range(1000, 1100));
  await many.answer(80);
  assert.deepEqual(many.begun.slice(200), range(1000, 1032));
  await many.answer(32);
  assert.deepEqual(many.begun.slice(200), range(1000, 1064));
  await many.answer(32);
  await many.answer(32);
  assert.deepEqual(many.begun.slice(200), range(1000, 1100));
});

Deno.test("ReadScheduler asks the kernel when reads have been answered for long", async () => {
  const flood = new Reads();
  // Four are always ready, and their buffers are always full.
  for (let i = 0; flood.begun.length === i; i++) {
    flood.enter(i);
    await flood.answer(1, 65_536);
    assert.ok(i < 1000, "it never asked");
  }
  // What is queued begins once the kernel has been asked.
  const { length } = flood.begun;
  await flood.reads.turn();
  assert.equal(flood.begun.length, length + 1);
});

Deno.test("ReadScheduler does not ask the kernel while answers show that it was asked", async () => {
  const { reads } = new Reads();
  let begun = 0;
  let mark = NO_PROOF;
  for (let i = 0; i < 10_000; i++) {
    assert.equal(reads.enter(reader(() => begun++)), true);
    mark = reads.answered(mark, 64, true);
    await Promise.resolve();
  }
  assert.equal(begun, 10_000);
});
