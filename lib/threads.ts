import type { Totals } from "./events.ts";
import type { Settings } from "./options.ts";
import { listen } from "./server.ts";
import { NOTHING, ServerThread, WORKER } from "./server_thread.ts";
import type { Supervisor } from "./supervisor.ts";
import { aborted, pause } from "./waiting.ts";

/**
 * Milliseconds between two looks whether there are descriptors for a thread.
 */
const SHORTAGE_PAUSE = 100;

/** Descriptors that the start of a thread may need. */
const THREAD_DESCRIPTORS = 24;

/** The tree of several threads. */
export async function superviseThreads(
  supervisor: Supervisor,
  settings: Settings,
  workers: number,
): Promise<Deno.NetAddr> {
  await requireThreads();
  const addr = settlePort(settings);
  const threads = new Threads({ ...settings, port: addr.port }, workers);
  await threads.startAll();
  settings.onEvent({ type: "listening", addr });
  for (let index = 0; index < workers; index++) {
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
  readonly #count: number;
  readonly #alive = new Map<number, ServerThread>();
  #drained: Promise<void> | undefined;

  constructor(settings: Settings, count: number) {
    this.#settings = settings;
    this.#count = count;
  }

  /** Starts all of them, or none. */
  async startAll(): Promise<void> {
    try {
      for (let index = 0; index < this.#count; index++) {
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

  /** Runs one, and starts it if it is not alive, until `signal` aborts. */
  async run(index: number, signal: AbortSignal): Promise<void> {
    if (!this.#alive.has(index)) {
      await descriptors(this.#settings, signal);
      if (signal.aborted) return;
    }
    const thread = this.#alive.get(index) ?? await this.#start(index);
    try {
      await Promise.race([thread.finished, aborted(signal)]);
      if (!signal.aborted) return;
      thread.shutdown();
      await (this.#drained ??= this.#drain());
      await thread.finished;
    } finally {
      this.#alive.delete(index);
    }
  }

  async #start(index: number): Promise<ServerThread> {
    const { maxConnections } = this.#settings;
    const thread = new ServerThread({
      ...this.#settings,
      maxConnections: Math.floor((maxConnections + index) / this.#count),
    });
    await thread.listening;
    this.#alive.set(index, thread);
    return thread;
  }

  async #drain(): Promise<void> {
    const { onEvent } = this.#settings;
    const threads = [...this.#alive.values()];
    for (const thread of threads) thread.shutdown();
    const open = await Promise.all(threads.map((thread) => thread.draining));
    const connections = open.reduce((sum, count) => sum + count, 0);
    onEvent({ type: "drain", connections });
    const served = await Promise.all(threads.map((thread) => thread.totals));
    onEvent({ type: "stop", ...served.reduce(added, NOTHING) });
  }
}

/**
 * Finds the port free, and which one it is: shared, a taken port goes
 * unnoticed, and port 0 is one for each thread.
 */
function settlePort(settings: Settings): Deno.NetAddr {
  using listener = listen(settings);
  return listener.addr as Deno.NetAddr;
}

function tooManyWorkers(index: number, code: string): string {
  return `Cannot start worker ${index + 1}: out of descriptors (${code}), ` +
    'raise "ulimit -n" or start fewer workers';
}

/** Settles when there are descriptors for a thread, or `signal` aborts. */
async function descriptors(
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

function added(one: Totals, other: Totals): Totals {
  return {
    connections: one.connections + other.connections,
    passedOver: one.passedOver + other.passedOver,
    bytesIn: one.bytesIn + other.bytesIn,
    bytesOut: one.bytesOut + other.bytesOut,
  };
}

/**
 * Makes sure that worker threads can be started, and can share a port.
 *
 * @throws {Deno.errors.NotSupported} If the system cannot share a port among
 * threads.
 * @throws {Deno.errors.NotCapable} If Deno may not read the worker's file.
 */
async function requireThreads(): Promise<void> {
  if (Deno.build.os !== "linux") {
    throw new Deno.errors.NotSupported(
      "Cannot start workers: only Linux shares a port among threads",
    );
  }
  // Deno would print a trace of its own; a compiled executable bears the worker
  // within it.
  if (Deno.build.standalone) return;
  const { state } = await Deno.permissions.query({
    name: "read",
    path: WORKER,
  });
  if (state !== "granted") {
    throw new Deno.errors.NotCapable(
      "Cannot start workers: permission missing, run again with --allow-read",
    );
  }
}

/**
 * Whether a thread can be started: with too few descriptors left, starting one
 * ends the process.
 */
function descriptorShortage(): string | undefined {
  const held: Deno.TcpListener[] = [];
  try {
    while (held.length < THREAD_DESCRIPTORS) {
      held.push(Deno.listen({ hostname: "127.0.0.1", port: 0 }));
    }
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? "EMFILE";
  } finally {
    for (const listener of held) listener.close();
  }
}
