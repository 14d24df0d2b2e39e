/**
 * The tree of several threads: they share the ports, the limit of connections
 * and one drain.
 *
 * @module
 */

import type { Settings } from "../options/options.ts";
import { type Observed, startAdmin } from "../server/admin.ts";
import { announce, type Bound, findFree } from "../server/bind.ts";
import {
  type Counters,
  type ListenerSnapshot,
  sumSnapshots,
} from "../telemetry/counters.ts";
import {
  type NamedSnapshot,
  type OpenSnapshot,
  totalsOf,
} from "../telemetry/snapshot.ts";
import {
  pause,
  untilSettledOrAborted,
  untilSettledOrLate,
} from "../util/async.ts";
import type { Supervisor } from "../util/supervisor.ts";
import type { Branch } from "./branch.ts";
import { counterMemory, countersIn, type WorkerSettings } from "./messages.ts";
import {
  requireDescriptors,
  requireWorkers,
  ShortageError,
  type Sockets,
  threadError,
  WORKER_URL,
} from "./requirements.ts";
import { WorkerHandle, type WorkerThread } from "./worker_handle.ts";

/** Seconds beyond its drain that a worker has to end. */
const STOP_MARGIN = 1;

/** Milliseconds until another try where there was too little for a worker. */
const SHORTAGE_PAUSE = 100;

/** What the pool takes of the platform. */
export interface WorkerPlatform {
  /** Starts a thread that runs `worker.ts`. */
  startThread: () => WorkerThread;
  /** Opens sockets, to see whether there are descriptors. */
  sockets: Sockets;
}

const PLATFORM: WorkerPlatform = {
  startThread: () => new Worker(WORKER_URL, { type: "module" }),
  sockets: Deno,
};

/** What is served now and has been served so far, by all workers. */
interface PoolSnapshot extends OpenSnapshot {
  /** For each listener, in order. */
  listeners: NamedSnapshot[];
}

/** What starting workers takes. */
export interface SuperviseOptions {
  /** Ends the start when it aborts. */
  signal: AbortSignal;
  /** How often a child has been started again. */
  restarts: () => number;
  platform?: Partial<WorkerPlatform>;
}

/**
 * Starts workers as children of `supervisor`: all of them, or none.
 *
 * @throws What `signal` aborts with before all have started; what has begun is
 * drained then.
 */
export async function superviseWorkers(
  supervisor: Supervisor,
  settings: Settings,
  { signal, restarts, platform = {} }: SuperviseOptions,
): Promise<Branch> {
  await requireWorkers();
  // With port 0 each worker would get another port. The first worker checks once
  // more that the ports are free.
  const bound = await findFree(settings);
  const pool = new WorkerPool(settings, bound, { ...PLATFORM, ...platform });
  const observed = observePool(pool, restarts);
  const admin = await startAdmin(settings, observed);
  try {
    await pool.start(signal);
  } catch (error) {
    await admin?.close();
    throw error;
  }
  announce(bound, settings.onEvent);
  for (let index = 0; index < settings.workers; index++) {
    supervisor.startChild({
      id: nameOf(index),
      restart: "permanent",
      run: (signal) => pool.run(index, signal),
    });
  }
  return { addrs: bound.map(({ addr }) => addr), observed, admin };
}

function observePool(pool: WorkerPool, restarts: () => number): Observed {
  return {
    ready: () => pool.ready,
    snapshot: async () => {
      const { listeners } = await pool.snapshot(0);
      return { listeners, restarts: restarts() };
    },
    connections: (limit) => pool.snapshot(limit),
  };
}

function nameOf(index: number): string {
  return `worker ${index + 1}`;
}

/**
 * Workers, each with its share of the connections. The first that is to stop
 * stops them all, so that one drain covers all.
 */
class WorkerPool {
  readonly #settings: Settings;
  readonly #bound: readonly Bound[];
  readonly #platform: WorkerPlatform;
  /** Where each worker counts, also when it is started again. */
  readonly #memory: SharedArrayBuffer[];
  readonly #counters: Counters[][];
  /** The last report of each worker. */
  readonly #last: ListenerSnapshot[][] = [];
  readonly #alive = new Map<number, WorkerHandle>();
  readonly #stopping = new AbortController();
  #ready = false;
  #drained: Promise<void> | undefined;

  /**
   * @param settings What to serve, all together.
   * @param bound Where, with the real ports.
   * @param platform What starts threads and opens sockets.
   */
  constructor(
    settings: Settings,
    bound: readonly Bound[],
    platform: WorkerPlatform,
  ) {
    this.#settings = settings;
    this.#bound = bound;
    this.#platform = platform;
    this.#memory = Array.from(
      { length: settings.workers },
      () => counterMemory(bound.length),
    );
    this.#counters = this.#memory.map(countersIn);
  }

  /** Whether all workers listen: false from the first moment of a drain. */
  get ready(): boolean {
    return this.#ready && !this.#stopping.signal.aborted;
  }

  /** Starts all workers, or none. */
  async start(signal: AbortSignal): Promise<void> {
    try {
      for (let index = 0; index < this.#settings.workers; index++) {
        signal.throwIfAborted();
        const { listening } = this.#launch(index, index === 0);
        await untilSettledOrAborted(listening, signal);
      }
      signal.throwIfAborted();
      this.#ready = true;
    } catch (error) {
      await (signal.aborted ? this.#drainOnce() : this.#stop());
      throw error;
    }
  }

  /** Runs one, and starts it if it is not alive, until it is to stop. */
  async run(index: number, signal: AbortSignal): Promise<void> {
    const stopping = AbortSignal.any([signal, this.#stopping.signal]);
    try {
      const worker = this.#alive.get(index) ??
        await this.#relaunch(index, stopping);
      if (!worker) return;
      await untilSettledOrAborted(worker.finished, stopping);
      if (!stopping.aborted) return;
      worker.drain();
      await this.#drainOnce();
      await worker.finished;
    } finally {
      this.#alive.delete(index);
    }
  }

  /** What is served and has been, and at most `limit` of the connections. */
  async snapshot(limit: number): Promise<PoolSnapshot> {
    const reports = await Promise.all(
      this.#counters.map((_, index) => this.#alive.get(index)?.snapshot(limit)),
    );
    for (const [index, report] of reports.entries()) {
      if (report) this.#last[index] = report.listeners;
    }
    const served = this.#counters.map((_, index) => this.#servedBy(index));
    return {
      listeners: this.#bound.map(({ name }, at) => ({
        listener: name,
        ...served.map((listeners) => listeners[at]!).reduce(sumSnapshots),
      })),
      total: reports.reduce(
        (sum, report) => sum + (report?.open.total ?? 0),
        0,
      ),
      connections: reports.flatMap((report) => report?.open.connections ?? [])
        .slice(0, limit),
    };
  }

  /**
   * What a worker has served: as it last said, since its open connections and
   * its counters belong to one moment, or as its counters say when it has ended.
   */
  #servedBy(index: number): ListenerSnapshot[] {
    const worker = this.#alive.get(index);
    const said = worker && !worker.ended ? this.#last[index] : undefined;
    return said ??
      this.#counters[index]!.map((counters) => counters.snapshot());
  }

  /**
   * Starts a worker.
   *
   * @throws {ShortageError} If there is too little of something.
   */
  #launch(index: number, claimsPorts: boolean): WorkerHandle {
    const { startThread, sockets } = this.#platform;
    const id = nameOf(index);
    requireDescriptors(id, this.#bound[0]!.addr, sockets);
    let thread: WorkerThread;
    try {
      thread = startThread();
    } catch (error) {
      throw threadError(id, error);
    }
    const worker = new WorkerHandle(
      thread,
      {
        type: "serve",
        settings: this.#shareOf(index),
        counters: this.#memory[index]!,
        first: index === 0,
        claimsPorts,
      },
      this.#settings.onEvent,
    );
    // One that is starting when the others drain drains with them.
    this.#alive.set(index, worker);
    return worker;
  }

  /** Starts one again as soon as that is possible, unless it is to stop. */
  async #relaunch(
    index: number,
    stopping: AbortSignal,
  ): Promise<WorkerHandle | undefined> {
    const last = this.#last[index];
    for (const [at, counters] of this.#counters[index]!.entries()) {
      closeLost(counters, last?.[at]);
    }
    for (let told = false; !stopping.aborted; told = true) {
      try {
        return this.#launch(index, false);
      } catch (error) {
        if (!(error instanceof ShortageError)) throw error;
        if (!told) {
          this.#settings.onEvent({ type: "shortage", code: error.code });
        }
        await pause(SHORTAGE_PAUSE, stopping);
      }
    }
    return undefined;
  }

  /** What one worker serves. */
  #shareOf(index: number): WorkerSettings {
    const { handler: _, onEvent: __, ...settings } = this.#settings;
    const { maxConnections, workers } = settings;
    return {
      ...settings,
      listeners: this.#bound.map(({ settings }) => settings),
      maxConnections: Math.floor((maxConnections + index) / workers),
      workers: 1,
    };
  }

  /** Drains all workers, and tells of it as one. */
  #drainOnce(): Promise<void> {
    return this.#drained ??= this.#drain();
  }

  async #drain(): Promise<void> {
    const { onEvent, shutdownTimeout: seconds } = this.#settings;
    const workers = [...this.#alive.values()];
    const stopped = this.#stop();
    const open = await Promise.all(workers.map(({ draining }) => draining));
    const connections = open.reduce((sum, count) => sum + count, 0);
    onEvent({ type: "drain", connections, seconds });
    await stopped;
    const { listeners } = await this.snapshot(0);
    onEvent({ type: "stop", ...totalsOf(listeners) });
  }

  /** Stops all workers that are alive. */
  async #stop(): Promise<void> {
    this.#stopping.abort();
    const workers = [...this.#alive.values()];
    for (const worker of workers) worker.drain();
    const { shutdownTimeout } = this.#settings;
    await untilSettledOrLate(
      Promise.allSettled(workers.map(({ finished }) => finished)),
      (shutdownTimeout + STOP_MARGIN) * 1000,
    );
    for (const worker of workers) worker.terminate();
  }
}

/**
 * Counts the connections that a worker's death has ended. No counter falls below
 * what has been seen of it.
 */
function closeLost(counters: Counters, last?: ListenerSnapshot): void {
  const now = counters.snapshot();
  let bytesIn = Math.max(0, (last?.bytesIn ?? 0) - now.bytesIn);
  let bytesOut = Math.max(0, (last?.bytesOut ?? 0) - now.bytesOut);
  for (let i = 0; i < now.open; i++) {
    counters.close("failed", 0, bytesIn, bytesOut);
    bytesIn = bytesOut = 0;
  }
}
