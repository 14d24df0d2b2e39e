import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { Turns } from "../../../lib/connection/turns.ts";

/** Readers who note when they read. */
class Readers {
  readonly turns = new Turns();
  /** Who has read, in order. */
  readonly order: number[] = [];
  #news = Promise.withResolvers<void>();

  /** So many reads come in together. */
  async comeIn(count: number): Promise<void> {
    for (let i = 0; i < count; i++) this.turns.count();
    await Promise.resolve();
  }

  /** One wants to read, who then finds something or not. */
  wait(number: number, finds: boolean): void {
    this.turns.wait(() => {
      this.order.push(number);
      if (finds) this.turns.count();
      this.#news.resolve();
      this.#news = Promise.withResolvers();
    });
  }

  /** Waits until so many have read. */
  async read(count: number): Promise<void> {
    while (this.order.length < count) await this.#news.promise;
  }
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, number) => number);
}

Deno.test("Turns lets everybody read at once unless a crowd comes in", async () => {
  const { turns } = new Readers();
  assert.equal(turns.crowded, false);
  for (const count of [1, 50, 119]) {
    for (let i = 0; i < count; i++) turns.count();
    await turn();
    assert.equal(turns.crowded, false);
  }
});

Deno.test("Turns lets a crowd read first come, first served", async () => {
  const readers = new Readers();
  await readers.comeIn(120);
  assert.equal(readers.turns.crowded, true);
  for (const number of upTo(1000)) readers.wait(number, true);
  assert.deepEqual(readers.order, []);
  await readers.read(1000);
  assert.deepEqual(readers.order, upTo(1000));
});

Deno.test("Turns lets a few of a crowd read at a time", async () => {
  const readers = new Readers();
  await readers.comeIn(1000);
  for (const number of upTo(1000)) readers.wait(number, false);
  await turn();
  const { length } = readers.order;
  assert.ok(length > 0 && length <= 64, `${length} have read`);
  await readers.comeIn(1);
  assert.equal(readers.order.length, 2 * length);
  await readers.read(1000);
});

Deno.test("Turns lets everybody read if those whose turn it is are idle", async () => {
  const readers = new Readers();
  await readers.comeIn(120);
  for (const number of upTo(500)) readers.wait(number, false);
  await readers.read(500);
  assert.deepEqual(readers.order, upTo(500));
});

Deno.test("Turns keeps who comes later behind those who wait", async () => {
  const readers = new Readers();
  await readers.comeIn(120);
  for (const number of upTo(200)) readers.wait(number, true);
  await readers.comeIn(1);
  assert.equal(readers.turns.crowded, true);
  readers.wait(200, true);
  await readers.read(201);
  assert.deepEqual(readers.order, upTo(201));
  await readers.comeIn(1);
  assert.equal(readers.turns.crowded, false);
});

Deno.test("Turns lets nobody read while all rest", async () => {
  const readers = new Readers();
  readers.turns.rest(3);
  assert.equal(readers.turns.crowded, true);
  readers.wait(0, true);
  await readers.comeIn(1);
  assert.deepEqual(readers.order, []);
  await readers.read(1);
  await readers.comeIn(1);
  assert.equal(readers.turns.crowded, false);
});
