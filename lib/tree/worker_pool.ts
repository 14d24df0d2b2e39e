import { NO_TOTALS, sum } from "../telemetry/events.ts";
import type { Settings } from "../options/options.ts";
import { listen } from "../net/tcp.ts";
import {
  descriptorShortage,
  requireThreads,
  ServerThread,
} from "./worker_handle.ts";
import type { Supervisor } from "../util/supervisor.ts";
import { pause, untilAborted } from "../util/async.ts";

/**
 * Milliseconds between two looks whether there are descriptors for a thread.
 */
const SHORTAGE_PAUSE = 100;

/** The tree of several threads. */
export async function superviseThreads(
  supervisor: Supervisor,
  settings: Settings,
): Promise<Deno.NetAddr> {
  await requireThreads();
  const addr = probePort(settings);
  const threads = new Threads({ ...settings, port: addr.port });
  await threads.startAll();
  settings.onEvent({ type: "listening", addr });
  for (let index = 0; index < settings.workers; index++) {
    supervisor.startChild({
      id: `worker ${index + 1}`,
      restart: "permanent",
      run: (signal) => threads.run(index, signal),
    });
  }
  return addr;
}

/**
 * Threads that share a port and the limit of connections. The first that is to
 * stop stops them all, so that one drain covers all.
 */
class Threads {
  readonly #settings: Settings;
  readonly #alive = new Map<number, ServerThread>();
  readonly #stopping = new AbortController();
  #drained: Promise<void> | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Starts all of them, or none. */
  async startAll(): Promise<void> {
    try {
      for (let index = 0; index < this.#settings.workers; index++) {
        const code = descriptorShortage();
        if (code) throw new Error(tooManyWorkers(index, code));
        await this.#start(index);
      }
    } catch (error) {
      const started = [...this.#alive.values()];
      for (const thread of started) thread.shutdown();
      await Promise.allSettled(started.map(({ finished }) => finished));
      throw error;
    }
  }

  /** Runs one, and starts it if it is not alive, until it is to stop. */
  async run(index: number, signal: AbortSignal): Promise<void> {
    const stopping = AbortSignal.any([signal, this.#stopping.signal]);
    try {
      const thread = this.#alive.get(index) ??
        await this.#restart(index, stopping);
      if (!thread) return;
      await Promise.race([thread.finished, untilAborted(stopping)]);
      if (!stopping.aborted) return;
      thread.shutdown();
      await (this.#drained ??= this.#drain());
      await thread.finished;
    } finally {
      this.#alive.delete(index);
    }
  }

  /** Starts one as soon as there are descriptors, unless it is to stop. */
  async #restart(
    index: number,
    stopping: AbortSignal,
  ): Promise<ServerThread | undefined> {
    await untilDescriptors(this.#settings, stopping);
    return stopping.aborted ? undefined : await this.#start(index);
  }

  async #start(index: number): Promise<ServerThread> {
    const { maxConnections, workers } = this.#settings;
    const thread = new ServerThread({
      ...this.#settings,
      maxConnections: Math.floor((maxConnections + index) / workers),
    });
    // One that is starting when the others drain drains with them.
    this.#alive.set(index, thread);
    await thread.listening;
    return thread;
  }

  async #drain(): Promise<void> {
    this.#stopping.abort();
    const { onEvent } = this.#settings;
    const threads = [...this.#alive.values()];
    for (const thread of threads) thread.shutdown();
    const open = await Promise.all(threads.map((thread) => thread.draining));
    const connections = open.reduce((sum, count) => sum + count, 0);
    onEvent({ type: "drain", connections });
    const served = await Promise.all(threads.map((thread) => thread.totals));
    onEvent({ type: "stop", ...served.reduce(sum, NO_TOTALS) });
  }
}

/**
 * Finds the port free, and which one it is: where it is shared, a taken port
 * would go unnoticed, and port 0 would be another for each thread.
 */
function probePort(settings: Settings): Deno.NetAddr {
  using listener = listen(settings);
  return listener.addr;
}

function tooManyWorkers(index: number, code: string): string {
  return `Cannot start worker ${index + 1}: out of descriptors (${code}), ` +
    'raise "ulimit -n" or start fewer workers';
}

/** Settles when there are descriptors for a thread, or `signal` aborts. */
async function untilDescriptors(
  { onEvent }: Settings,
  signal: AbortSignal,
): Promise<void> {
  let told = false;
  for (let code; (code = descriptorShortage()) && !signal.aborted;) {
    if (!told) onEvent({ type: "shortage", code });
    told = true;
    await pause(SHORTAGE_PAUSE, signal);
  }
}
