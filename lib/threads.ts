import { aborted, pause } from "./turns.ts";
import type { Totals } from "./events.ts";
import type { Settings } from "./options.ts";
import { listen } from "./server.ts";
import { NOTHING, ServerThread, WORKER } from "./server_thread.ts";
import type { Supervisor } from "./supervisor.ts";

/**
 * Milliseconds between two looks whether there are descriptors for a thread.
 */
const SHORTAGE_PAUSE = 100;

/** Descriptors that the start of a thread may need. */
const THREAD_DESCRIPTORS = 24;

/**
 * The tree of several threads. The first that is to stop stops them all, so
 * that one drain covers all.
 */
export async function superviseThreads(
  supervisor: Supervisor,
  settings: Settings,
  workers: number,
): Promise<Deno.NetAddr> {
  await requireThreads();
  const addr = settlePort(settings);
  const alive = new Set<ServerThread>();
  const start = async (index: number, signal?: AbortSignal) => {
    const share = Math.floor((settings.maxConnections + index) / workers);
    const own = { ...settings, port: addr.port, maxConnections: share };
    const thread = await startThread(own, signal);
    alive.add(thread);
    return thread;
  };
  const started: ServerThread[] = [];
  try {
    for (let index = 0; index < workers; index++) {
      started.push(await start(index));
    }
  } catch (error) {
    for (const thread of started) thread.terminate();
    throw error;
  }
  settings.onEvent({ type: "listening", addr });

  let drained: Promise<void> | undefined;
  for (let index = 0; index < workers; index++) {
    supervisor.startChild({
      id: `worker ${index + 1}`,
      restart: "permanent",
      run: async (signal) => {
        const thread = started.shift() ?? await start(index, signal);
        try {
          await Promise.race([thread.finished, aborted(signal)]);
          if (!signal.aborted) return;
          thread.shutdown();
          await (drained ??= drain([...alive], settings));
          await thread.finished;
        } finally {
          alive.delete(thread);
        }
      },
    });
  }
  return addr;
}

/**
 * Finds the port free, and which one it is: shared, a taken port goes
 * unnoticed, and port 0 is one for each thread.
 */
function settlePort(settings: Settings): Deno.NetAddr {
  using listener = listen(settings);
  return listener.addr as Deno.NetAddr;
}

/** Starts a thread as soon as there are descriptors for it. */
async function startThread(
  settings: Settings,
  signal = new AbortController().signal,
): Promise<ServerThread> {
  let told = false;
  for (let code; (code = descriptorShortage()) && !signal.aborted;) {
    if (!told) settings.onEvent({ type: "shortage", code });
    told = true;
    await pause(SHORTAGE_PAUSE, signal);
  }
  signal.throwIfAborted();
  const thread = new ServerThread(settings);
  await thread.listening;
  return thread;
}

async function drain(
  threads: ServerThread[],
  { onEvent }: Settings,
): Promise<void> {
  for (const thread of threads) thread.shutdown();
  const open = await Promise.all(threads.map((thread) => thread.draining));
  const connections = open.reduce((sum, count) => sum + count, 0);
  onEvent({ type: "drain", connections });
  const served = await Promise.all(threads.map((thread) => thread.totals));
  onEvent({ type: "stop", ...served.reduce(added, NOTHING) });
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
