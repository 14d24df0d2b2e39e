import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { EchoSupervisorOptions } from "../../../lib/mod.ts";
import { resolve } from "../../../lib/options/options.ts";
import {
  countersIn,
  type Order,
  type Report,
  type ServeOrder,
} from "../../../lib/tree/messages.ts";
import {
  superviseWorkers,
  type WorkerPlatform,
} from "../../../lib/tree/worker_pool.ts";
import type { WorkerThread } from "../../../lib/tree/worker_handle.ts";
import type { Branch } from "../../../lib/tree/branch.ts";
import { Supervisor } from "../../../lib/util/supervisor.ts";
import { Client, connectAll } from "../../support/client.ts";
import { Events } from "../../support/events.ts";
import { MortalWorkers } from "../../support/mortal_workers.ts";
import { freePort } from "../../support/ports.ts";
import { PROGRAM, programTest } from "../../support/program.ts";

/** Threads share a port on Linux only, and their code is read from a file. */
const ignore = !PROGRAM || Deno.build.os !== "linux";

/** A thread that listens and drains, but serves nobody. */
class FakeThread implements WorkerThread {
  onmessage: WorkerThread["onmessage"] = null;
  onerror: WorkerThread["onerror"] = null;
  order!: ServeOrder;
  readonly orders: string[] = [];

  /** @param listens Whether it ever does. */
  constructor(private readonly listens: boolean) {}

  postMessage(order: Order): void {
    this.orders.push(order.type);
    if (order.type === "serve") {
      this.order = order;
      if (this.listens) this.report({ type: "listening" });
    }
    if (order.type === "snapshot") {
      const open = { bytes: [], total: 0, connections: [] };
      const listeners = countersIn(this.order.counters)
        .map((counters) => counters.snapshot());
      this.report({ type: "snapshot", id: order.id, open, listeners });
    }
    if (order.type === "drain" && this.orders.at(-2) !== "drain") {
      for (const counters of countersIn(this.order.counters)) counters.accept();
      this.report({ type: "draining", connections: 4 });
      this.report({ type: "stopped" });
    }
  }

  terminate(): void {}

  die(): void {
    this.report({ type: "failed", reason: "killed" });
  }

  report(report: Report): void {
    const event = new MessageEvent("message", { data: report });
    queueMicrotask(() => this.onmessage?.call(this as never, event));
  }
}

/** Starts threads that listen, until no more may. */
class FakeThreads {
  readonly all: FakeThread[] = [];
  /** How many may be started. */
  left = Infinity;
  /** How many of them listen. */
  listening = Infinity;
  /** How often somebody tried. */
  tries = 0;

  readonly startThread = (): FakeThread => {
    this.tries++;
    if (this.all.length >= this.left) {
      throw Object.assign(new Error("no"), { code: "EAGAIN" });
    }
    const thread = new FakeThread(this.all.length < this.listening);
    this.all.push(thread);
    return thread;
  };
}

interface Started extends AsyncDisposable {
  branch: Branch;
  events: Events;
}

async function start(
  platform: Partial<WorkerPlatform>,
  options: EchoSupervisorOptions,
  signal = new AbortController().signal,
  events = new Events(),
): Promise<Started> {
  const supervisor = new Supervisor({
    onRestart: (id, error) =>
      events.hear({ type: "restart", id, reason: (error as Error).message }),
  });
  const settings = resolve({
    listen: "tcp://127.0.0.1:0",
    onEvent: events.hear,
    ...options,
  });
  const restarts = () => 0;
  const branch = await superviseWorkers(supervisor, settings, {
    restarts,
    signal,
    platform,
  });
  const stop = () => supervisor.shutdown();
  return { branch, events, [Symbol.asyncDispose]: stop };
}

programTest({
  name: "superviseWorkers lets the first worker claim the port, and no other",
  ignore,
}, async () => {
  const threads = new FakeThreads();
  await using started = await start(threads, { workers: 3 });
  const claims = () => threads.all.map(({ order }) => order.claimsPorts);
  assert.deepEqual(claims(), [true, false, false]);
  threads.all[0]!.die();
  await started.events.saw("restart");
  await turn();
  assert.deepEqual(claims(), [true, false, false, false]);
});

programTest({
  name: "superviseWorkers gives a worker that is started again its counters",
  ignore,
}, async () => {
  const threads = new FakeThreads();
  await using started = await start(threads, { workers: 2 });
  const [first, second] = threads.all.map(({ order }) =>
    countersIn(order.counters)[0]!
  );
  for (let i = 0; i < 3; i++) first!.accept();
  first!.close("closed", 1, 10, 20);
  second!.accept();
  threads.all[0]!.die();
  await started.events.saw("restart");
  await turn();
  const memory = threads.all.map(({ order }) => order.counters);
  assert.equal(memory[2], memory[0]);
  assert.notEqual(memory[1], memory[0]);
  const { listeners } = await started.branch.observed.snapshot();
  assert.equal(listeners.length, 1);
  const { accepted, open, closed, bytesIn, bytesOut } = listeners[0]!;
  assert.deepEqual([accepted, open, bytesIn, bytesOut], [4, 1, 10, 20]);
  // A dead worker's connections are over too.
  assert.deepEqual([closed.closed, closed.failed], [1, 2]);
});

programTest({
  name: "superviseWorkers names the limit that allows no more threads",
  ignore,
}, async () => {
  const threads = new FakeThreads();
  threads.left = 2;
  await assert.rejects(
    start(threads, { workers: 4 }),
    /^Error: Cannot start worker 3: out of threads \(EAGAIN\), raise "ulimit -u"/,
  );
  assert.deepEqual(threads.all.map(({ orders }) => orders.at(-1)), [
    "drain",
    "drain",
  ]);
});

programTest({
  name:
    "superviseWorkers waits for a thread to be allowed that it starts again",
  ignore,
}, async () => {
  const threads = new FakeThreads();
  await using started = await start(threads, { workers: 2 });
  threads.left = 2;
  threads.all[1]!.die();
  assert.equal((await started.events.saw("shortage")).code, "EAGAIN");
  while (threads.tries < 5) await turn();
  threads.left = 3;
  while (threads.all.length < 3) await turn();
  assert.equal(started.events.of("shortage").length, 1);
  assert.equal(started.events.of("restart").length, 1);
});

programTest({
  name: "superviseWorkers ends a start when the signal aborts, with one drain",
  ignore,
}, async () => {
  const threads = new FakeThreads();
  threads.listening = 3;
  const events = new Events();
  const abort = new AbortController();
  const starting = start(threads, { workers: 128 }, abort.signal, events);
  while (threads.all.length < 4) await turn();
  abort.abort(new Error("SIGTERM"));
  await assert.rejects(starting, /SIGTERM/);
  assert.equal(threads.all.length, 4);
  assert.ok(threads.all.every(({ orders }) => orders.includes("drain")));
  assert.deepEqual(events.of("listening"), []);
  assert.deepEqual(events.of("drain"), [
    { type: "drain", connections: 16, seconds: 15 },
  ]);
  assert.equal(events.of("stop")[0]?.connections, 4);
});

programTest({
  name: "superviseWorkers starts nothing for a signal that has aborted",
  ignore,
}, async () => {
  const threads = new FakeThreads();
  const signal = AbortSignal.abort(new Error("SIGTERM"));
  await assert.rejects(start(threads, { workers: 2 }, signal), /SIGTERM/);
  assert.equal(threads.all.length, 0);
});

programTest({
  name: "superviseWorkers shares a port with no other program that starts too",
  ignore,
}, async () => {
  const port = freePort();
  const starts = await Promise.allSettled(
    [1, 2].map(() =>
      start({}, { listen: `tcp://127.0.0.1:${port}`, workers: 2 })
    ),
  );
  const started = starts.filter(({ status }) => status === "fulfilled");
  const refused = starts.filter(({ status }) => status === "rejected");
  for (const { value } of started as PromiseFulfilledResult<Started>[]) {
    await value[Symbol.asyncDispose]();
  }
  assert.equal(started.length, 1);
  assert.match(
    String((refused[0] as PromiseRejectedResult).reason),
    /Cannot listen on 127\.0\.0\.1:\d+: the port is already in use/,
  );
});

programTest({
  name: "superviseWorkers starts with as many workers as connections",
  ignore,
}, async () => {
  await using started = await start({}, { workers: 3, maxConnections: 3 });
  using client = await Client.connect(started.branch.addrs[0]!.port);
  assert.equal(await client.echo("one\n"), "one\n");
});

programTest({
  name: "superviseWorkers tells once what the workers have in common",
  ignore,
}, async () => {
  const listen = "tcp://127.0.0.1:0?latency=1ms";
  await using started = await start({}, { listen, workers: 2 });
  for (const type of ["faults", "seed", "listening"] as const) {
    assert.equal(started.events.of(type).length, 1, type);
  }
});

programTest(
  { name: "WorkerPool tells what is open in all workers", ignore },
  async () => {
    await using started = await start({}, { workers: 2 });
    const clients = await connectAll(started.branch.addrs[0]!.port, 10);
    for (const client of clients) await client.echo("one\n");
    const { observed } = started.branch;
    const all = await observed.connections(1000);
    assert.equal(all.total, 10);
    assert.deepEqual(
      all.connections.map(({ peer, bytesOut }) => [peer, bytesOut]).sort(),
      clients.map(({ localAddr: { port } }) => [`127.0.0.1:${port}`, 4]).sort(),
    );
    const { listeners } = await observed.snapshot();
    const [{ bytesIn, bytesOut } = assert.fail()] = listeners;
    assert.deepEqual([bytesIn, bytesOut], [40, 40]);
    const some = await observed.connections(3);
    assert.deepEqual([some.total, some.connections.length], [10, 3]);
    for (const client of clients) client.close();
  },
);

programTest({
  name: "a worker reports many connections in few messages",
  ignore,
}, async () => {
  const threads = new MortalWorkers();
  await using started = await start(threads, {
    workers: 2,
    shutdownTimeout: 0,
  });
  const clients = await connectAll(started.branch.addrs[0]!.port, 300);
  for (const client of clients) await client.echo("one\n");
  // It ends all of them in one turn of the event loop.
  await started[Symbol.asyncDispose]();
  for (const client of clients) client.close();
  assert.equal(started.events.of("connection").length, 300);
  assert.ok(threads.batches < 30, `${threads.batches} messages`);
});
