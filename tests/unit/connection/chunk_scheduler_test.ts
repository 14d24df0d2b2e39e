import assert from "node:assert/strict";
import {
  BYTES_PER_TURN,
  ChunkScheduler,
} from "../../../lib/connection/chunk_scheduler.ts";
import { SocketConnection } from "../../../lib/connection/connection.ts";
import {
  NO_PROOF,
  ReadScheduler,
} from "../../../lib/connection/read_scheduler.ts";
import { Socket } from "../../../lib/connection/socket.ts";
import { corrupt } from "../../../lib/faults/corrupt.ts";
import { latency } from "../../../lib/faults/latency.ts";
import { rate } from "../../../lib/faults/rate.ts";
import { slice } from "../../../lib/faults/slice.ts";
import { LineStream } from "../../../lib/mod.ts";
import type { Wire } from "../../../lib/net/transport.ts";
import { eventLoopTurn } from "../../../lib/util/async.ts";
import { MemoryWire } from "../../support/memory_wire.ts";

/** Chunks of streams, and a clock that the test sets. */
class Chunks {
  /** The time, in milliseconds. */
  now = 0;
  readonly reads = new ReadScheduler();
  readonly chunks = new ChunkScheduler(this.reads, () => this.now);
  /** Which have gone on, in order. */
  readonly gone: string[] = [];

  /** @returns Whether it goes on at once. */
  enter(name: string, bytes = 1): boolean {
    const turn = this.chunks.enter(bytes);
    if (turn) turn.then(() => this.gone.push(name));
    else this.gone.push(name);
    return !turn;
  }
}

Deno.test("ChunkScheduler lets chunks go on at once that are short", async () => {
  const some = new Chunks();
  for (let i = 0; i < 100; i++) assert.equal(some.enter("short", 64), true);
  await eventLoopTurn();
});

Deno.test("ChunkScheduler turns the event loop after 128 KiB, and keeps the order", async () => {
  const some = new Chunks();
  assert.equal(some.enter("a", BYTES_PER_TURN), true);
  assert.equal(some.enter("b", BYTES_PER_TURN - 1), false);
  assert.equal(some.enter("c"), false);
  assert.equal(some.enter("d"), false);
  await eventLoopTurn();
  assert.deepEqual(some.gone, ["a", "b", "c"]);
  assert.equal(some.enter("e"), false);
  await eventLoopTurn();
  assert.deepEqual(some.gone, ["a", "b", "c", "d", "e"]);
});

Deno.test("ChunkScheduler has the kernel asked after 4 ms of work, and reads give way", async () => {
  const some = new Chunks();
  some.enter("begins");
  for (let i = 1; i <= 4; i++) {
    some.now = i;
    assert.equal(some.enter(`after ${i} ms`), true);
  }
  some.now = 5;
  assert.equal(some.enter("waits"), false);
  assert.equal(some.reads.enter({ beginRead: () => false }), false);
  let turns = 0;
  for (; some.gone.at(-1) !== "waits"; turns++) await eventLoopTurn();
  // So many turns make it certain that the kernel was asked.
  assert.ok(turns >= 62, `${turns} turns`);
  assert.equal(some.enter("goes on"), true);
  await eventLoopTurn();
});

Deno.test("ChunkScheduler waits for the kernel alone, not for reads that queue", async () => {
  const some = new Chunks();
  const idle = { beginRead: () => true };
  for (let i = 0; i < 120; i++) some.reads.enter(idle);
  for (let i = 0; i < 120; i++) some.reads.answered(NO_PROOF, 1, false);
  await Promise.resolve();
  for (let i = 0; i < 1000; i++) {
    assert.equal(some.reads.enter(idle), false);
  }
  some.enter("begins");
  some.now = 5;
  assert.equal(some.enter("waits"), false);
  for (let turn = 0; turn < 70; turn++) await eventLoopTurn();
  assert.deepEqual(some.gone, ["begins", "waits"]);
  await some.reads.turn();
});

Deno.test("ChunkScheduler counts no time in which the thread is idle", async () => {
  const some = new Chunks();
  for (let i = 0; i < 10; i++) {
    assert.equal(some.enter("now and then"), true);
    await eventLoopTurn();
    some.now += 1000;
  }
});

Deno.test("ChunkScheduler lets no chunk go on in a round", async () => {
  const some = new Chunks();
  let proven = false;
  some.reads.round(() => proven = true);
  assert.equal(some.enter("waits"), false);
  while (!proven) {
    assert.deepEqual(some.gone, []);
    await eventLoopTurn();
  }
  while (some.gone.length === 0) await eventLoopTurn();
});

/** A client that floods: its bytes are always there, and it takes all. */
class FloodingWire extends MemoryWire {
  readonly #left: { bytes: number };
  readonly #onWrite: (bytes: number) => void;

  constructor(left: { bytes: number }, onWrite: (bytes: number) => void) {
    super();
    this.#left = left;
    this.#onWrite = onWrite;
  }

  override read(into: Uint8Array): Promise<number | null> {
    if (this.#left.bytes <= 0) return Promise.resolve(null);
    this.#left.bytes -= into.length;
    into.fill(0x78);
    into[into.length - 1] = 0x0a;
    return Promise.resolve(into.length);
  }

  override write(bytes: Uint8Array): Promise<number> {
    this.#onWrite(bytes.length);
    return Promise.resolve(bytes.length);
  }
}

/** Echoes through `stage` until the client's FIN. */
async function serve(
  wire: Wire,
  stage: TransformStream<Uint8Array, Uint8Array>,
): Promise<void> {
  const socket = new Socket(wire, {
    pulse: { sweeps: 0 },
    finishesLines: true,
    isDirect: true,
    readPerSweep: 10_000,
  });
  const { readable, writable } = new SocketConnection(socket);
  await readable.pipeThrough(new LineStream()).pipeThrough(stage)
    .pipeTo(writable);
  socket.close();
}

const STAGES = {
  "a stage of one's own": () => new TransformStream<Uint8Array, Uint8Array>(),
  corrupt: () => corrupt(0.001),
  latency: () => latency(0.001),
  rate: () => rate(1e9),
  slice: () => slice(4096),
};

for (const [name, stage] of Object.entries(STAGES)) {
  Deno.test(`floods through ${name} let the event loop turn`, async () => {
    let inTurn = 0;
    let most = 0;
    let longest = 0;
    const onWrite = (bytes: number) => {
      inTurn += bytes;
      longest = Math.max(longest, bytes);
      most = Math.max(most, inTurn);
    };
    const left = { bytes: 8 * 1024 * 1024 };
    let over = false;
    const served = Promise.all(Array.from(
      { length: 20 },
      () => serve(new FloodingWire(left, onWrite), stage()),
    )).finally(() => over = true);
    while (!over) {
      await eventLoopTurn();
      inTurn = 0;
    }
    await served;
    // Before the chunk that is one too many, and with it.
    assert.ok(most > 0 && most <= BYTES_PER_TURN + longest, `${most} bytes`);
  });
}
