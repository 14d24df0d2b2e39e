import assert from "node:assert/strict";
import type { ServerEvent } from "../../../lib/mod.ts";
import { resolve } from "../../../lib/options/options.ts";
import {
  counterMemory,
  type Order,
  type Report,
  type ServeOrder,
} from "../../../lib/tree/messages.ts";
import {
  WorkerHandle,
  type WorkerThread,
} from "../../../lib/tree/worker_handle.ts";
import { inTime } from "../../support/program.ts";

/** A thread that says what the test says. */
class FakeThread implements WorkerThread {
  onmessage: WorkerThread["onmessage"] = null;
  onerror: WorkerThread["onerror"] = null;
  readonly orders: Order[] = [];
  terminated = false;

  postMessage(order: Order): void {
    this.orders.push(order);
  }

  terminate(): void {
    this.terminated = true;
  }

  report(report: Report): void {
    const event = new MessageEvent("message", { data: report });
    this.onmessage?.call(this as unknown as Worker, event);
  }
}

function serveOrder(): ServeOrder {
  const { onEvent: _, ...settings } = resolve(1050);
  return {
    type: "serve",
    settings,
    counters: counterMemory(1),
    first: true,
    claimsPorts: false,
  };
}

function start() {
  const thread = new FakeThread();
  const heard: ServerEvent[] = [];
  const order = serveOrder();
  const worker = new WorkerHandle(thread, order, (event) => heard.push(event));
  assert.deepEqual(thread.orders, [order]);
  return { thread, worker, heard };
}

Deno.test("WorkerHandle passes events on, each by itself and in order", () => {
  const { thread, heard } = start();
  const events = Array.from(
    { length: 3 },
    (_, i): ServerEvent => ({ type: "restart", id: `${i}`, reason: "" }),
  );
  thread.report({ type: "events", events: events.slice(0, 2) });
  thread.report({ type: "events", events: events.slice(2) });
  assert.deepEqual(heard, events);
});

Deno.test("WorkerHandle tells of a drain and ends the thread when it has stopped", async () => {
  const { thread, worker } = start();
  thread.report({ type: "listening" });
  await worker.listening;
  worker.drain();
  assert.deepEqual(thread.orders.at(-1), { type: "drain" });
  thread.report({ type: "draining", connections: 3 });
  assert.equal(await worker.draining, 3);
  assert.equal(thread.terminated, false);
  thread.report({ type: "stopped" });
  await worker.finished;
  assert.equal(thread.terminated, true);
});

Deno.test("WorkerHandle survives a thread that dies, and holds nobody up", async () => {
  const { thread, worker } = start();
  const open = worker.snapshot(1, 86_400_000);
  const event = new ErrorEvent("error", { message: "died", cancelable: true });
  thread.onerror?.call(thread as unknown as Worker, event);
  assert.ok(event.defaultPrevented);
  assert.equal(thread.terminated, true);
  await assert.rejects(worker.listening, /^Error: died$/);
  await assert.rejects(worker.finished, /^Error: died$/);
  assert.equal(await worker.draining, 0);
  assert.equal(await inTime("the snapshot", open), undefined);
});

Deno.test("WorkerHandle fails with the reason that the worker reports", async () => {
  const { thread, worker } = start();
  thread.report({ type: "failed", reason: "the port is already in use" });
  await assert.rejects(worker.finished, /the port is already in use/);
  assert.equal(thread.terminated, true);
});

Deno.test("WorkerHandle gives each snapshot to who asked for it", async () => {
  const { thread, worker } = start();
  const both = [worker.snapshot(7), worker.snapshot(8)];
  const asked = thread.orders.slice(1);
  assert.deepEqual(asked.map((order) => "limit" in order && order.limit), [
    7,
    8,
  ]);
  for (const order of asked.reverse()) {
    assert.ok(order.type === "snapshot");
    const open = { bytes: [], total: order.limit, connections: [] };
    thread.report({ type: "snapshot", id: order.id, open, listeners: [] });
  }
  const answers = await Promise.all(both);
  assert.deepEqual(answers.map((report) => report?.open.total), [7, 8]);
});

Deno.test("WorkerHandle does not wait for ever for a snapshot", async () => {
  const { thread, worker } = start();
  assert.equal(await worker.snapshot(1, 1), undefined);
  const open = { bytes: [], total: 0, connections: [] };
  thread.report({ type: "snapshot", id: 1, open, listeners: [] });
});
