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
