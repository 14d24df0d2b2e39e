/**
 * The tree of several threads: they share the ports, the limit of connections
 * and one drain.
 *
 * @module
 */

import type { ConnectionInfo } from "../admin/source.ts";
import { type Address, listenerName } from "../net/address.ts";
import { listen } from "../net/tcp.ts";
import type { Settings } from "../options/options.ts";
import {
  type Counters,
  type ListenerSnapshot,
  sumSnapshots,
} from "../telemetry/counters.ts";
import { NO_TOTALS, sum } from "../telemetry/events.ts";
import { pause, untilSettledOrAborted } from "../util/async.ts";
import type { Supervisor } from "../util/supervisor.ts";
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
export interface PoolSnapshot {
  /** For each listener, in order. */
  listeners: ListenerSnapshot[];
  /** How many connections are open. */
  total: number;
  /** Some of them. */
  connections: ConnectionInfo[];
}

/**
 * Starts workers as children of `supervisor`: all of them, or none.
 *
 * @param signal Ends the start when it aborts: what has begun is drained, then
 * this rejects with the signal's reason.
 */
export async function superviseWorkers(
  supervisor: Supervisor,
  settings: Settings,
  signal: AbortSignal,
  platform: Partial<WorkerPlatform> = {},
): Promise<WorkerPool> {
  await requireWorkers();
  const addr = findPort(settings);
  const pool = new WorkerPool(settings, addr, { ...PLATFORM, ...platform });
  await pool.start(signal);
  const listener = listenerName("tcp", addr);
  settings.onEvent({ type: "listening", addr, listener });
  for (let index = 0; index < settings.workers; index++) {
    supervisor.startChild({
      id: nameOf(index),
      restart: "permanent",
      run: (signal) => pool.run(index, signal),
    });
  }
  return pool;
}

/**
 * Finds the port free, and which one it is: port 0 would be another for each
 * worker. The first worker makes sure once more.
 */
function findPort(settings: Settings): Deno.NetAddr {
  using listener = listen(settings);
  return listener.addr;
}

function nameOf(index: number): string {
  return `worker ${index + 1}`;
}

/**
 * Workers, each with its share of the connections. The first that is to stop
 * stops them all, so that one drain covers all.
 */
export class WorkerPool {
  /** The addresses that they listen on, with the real ports. */
  readonly addrs: readonly Address[];

  readonly #port: number;
  readonly #settings: Settings;
  readonly #platform: WorkerPlatform;
  /** Where each worker counts, also when it is started again. */
  readonly #memory: SharedArrayBuffer[];
  readonly #counters: Counters[][];
  readonly #alive = new Map<number, WorkerHandle>();
  readonly #stopping = new AbortController();
  #drained: Promise<void> | undefined;

  /**
   * @param settings What to serve, all together.
   * @param addr Where, with the real port.
   * @param platform What starts threads and opens sockets.
   */
  constructor(
    settings: Settings,
    addr: Deno.NetAddr,
    platform: WorkerPlatform,
  ) {
    this.#settings = settings;
    this.addrs = [addr];
    this.#port = addr.port;
    this.#platform = platform;
    this.#memory = Array.from(
      { length: settings.workers },
      () => counterMemory(1),
    );
    this.#counters = this.#memory.map(countersIn);
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
    const open = await Promise.all(
      this.#counters.map((_, index) => this.#alive.get(index)?.snapshot(limit)),
    );
    const listeners = this.#counters.map((counters, index) =>
      counters.map((counter, listener) =>
        counter.snapshot(open[index]?.bytes[listener])
      )
    );
    return {
      listeners: listeners.reduce((one, other) =>
        one.map((listener, at) => sumSnapshots(listener, other[at]!))
      ),
      total: open.reduce((sum, worker) => sum + (worker?.total ?? 0), 0),
      connections: open.flatMap((worker) => worker?.connections ?? [])
        .slice(0, limit),
    };
  }

  /**
   * Starts a worker.
   *
   * @throws {ShortageError} If there is too little of something.
   */
  #launch(index: number, claimsPort: boolean): WorkerHandle {
    const { startThread, sockets } = this.#platform;
    const id = nameOf(index);
    const { host: hostname } = this.#settings;
    requireDescriptors(id, { hostname, port: this.#port }, sockets);
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
        claimsPort,
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
    this.#counters[index]!.forEach(closeLost);
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

  #shareOf(index: number): WorkerSettings {
    const { handler: _, onEvent: __, ...settings } = this.#settings;
    const { maxConnections, workers } = settings;
    return {
      ...settings,
      port: this.#port,
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
    const served = await Promise.all(workers.map(({ totals }) => totals));
    onEvent({ type: "stop", ...served.reduce(sum, NO_TOTALS) });
  }

  /** Stops all workers that are alive. */
  async #stop(): Promise<void> {
    this.#stopping.abort();
    const workers = [...this.#alive.values()];
    for (const worker of workers) worker.drain();
    await Promise.allSettled(workers.map(({ finished }) => finished));
  }
}

/** Counts the connections that a worker's death has ended. */
function closeLost(counters: Counters): void {
  const { open } = counters.snapshot();
  for (let i = 0; i < open; i++) counters.close("failed", 0, 0, 0);
}
