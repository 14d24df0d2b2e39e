import assert from "node:assert/strict";
import { EventFeed } from "../../../lib/admin/event_feed.ts";
import { text } from "../../support/client.ts";
import { inTime } from "../../support/program.ts";

/** Milliseconds: as fast as timers go. */
const PERIOD = 1;

/** Makes the updates 1, 2, 3, and so on. */
class Numbers {
  made = 0;
  #waiting = new Set<() => void>();

  readonly next = (): Promise<number> => {
    this.made++;
    for (const check of this.#waiting) check();
    return Promise.resolve(this.made);
  };

  /** Waits until so many have been made. */
  async reach(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = () => this.made >= count && resolve();
    this.#waiting.add(check);
    check();
    await inTime(`${count} updates`, promise);
    this.#waiting.delete(check);
  }
}

/** Waits until a feed of its own has made so many updates. */
async function ticks(count: number): Promise<void> {
  const numbers = new Numbers();
  const feed = new EventFeed(numbers.next, PERIOD);
  feed.open();
  await numbers.reach(count);
  feed.close();
}

async function read(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<string | undefined> {
  const { value } = await reader.read();
  return value && text(value);
}

Deno.test("EventFeed sends an update at once, and then again and again", async () => {
  const feed = new EventFeed(new Numbers().next, PERIOD);
  const reader = feed.open().getReader();
  for (const number of [1, 2, 3]) {
    assert.equal(await read(reader), `data: ${number}\n\n`);
  }
  feed.close();
});

Deno.test("EventFeed sends everybody the same, a newcomer the last first", async () => {
  const numbers = new Numbers();
  const feed = new EventFeed(numbers.next, PERIOD);
  const one = feed.open().getReader();
  const first = await read(one);
  const other = feed.open().getReader();
  assert.equal(await read(other), first);
  assert.equal(await read(one), await read(other));
  feed.close();
});

Deno.test("EventFeed makes nothing while nobody listens", async () => {
  const numbers = new Numbers();
  const feed = new EventFeed(numbers.next, PERIOD);
  assert.equal(numbers.made, 0);
  await feed.open().cancel();
  const { made } = numbers;
  await ticks(5);
  assert.equal(numbers.made, made);
  const reader = feed.open().getReader();
  assert.equal(await read(reader), `data: ${made + 1}\n\n`);
  await reader.cancel();
});

Deno.test("EventFeed keeps one update for who does not read", async () => {
  const numbers = new Numbers();
  const feed = new EventFeed(numbers.next, PERIOD);
  const reader = feed.open().getReader();
  await numbers.reach(20);
  feed.close();
  const kept: string[] = [];
  for (let event; (event = await read(reader)) !== undefined;) kept.push(event);
  assert.deepEqual(kept, ["data: 1\n\n"]);
});

Deno.test("EventFeed goes on after an update that cannot be made", async () => {
  let tries = 0;
  const feed = new EventFeed(() => {
    tries++;
    return tries === 1 ? Promise.reject(new Error("no")) : Promise.resolve(2);
  }, PERIOD);
  const reader = feed.open().getReader();
  assert.equal(await read(reader), "data: 2\n\n");
  feed.close();
});

Deno.test("EventFeed never asks for two updates at a time", async () => {
  let asked = 0;
  const answer = Promise.withResolvers<number>();
  const feed = new EventFeed(() => {
    asked++;
    return answer.promise;
  }, PERIOD);
  const reader = feed.open().getReader();
  await ticks(5);
  assert.equal(asked, 1);
  answer.resolve(1);
  assert.equal(await read(reader), "data: 1\n\n");
  feed.close();
});

Deno.test("EventFeed ends its streams when it closes, and later ones too", async () => {
  const feed = new EventFeed(new Numbers().next, PERIOD);
  const reader = feed.open().getReader();
  await read(reader);
  feed.close();
  while (await read(reader) !== undefined);
  assert.equal(await read(feed.open().getReader()), undefined);
});
