import {
  NO_TOTALS,
  type ServerEvent,
  type Totals,
} from "../telemetry/events.ts";
import type { Settings } from "../options/options.ts";
import { outcome } from "../util/async.ts";
import type { Order, Report } from "./worker.ts";

/** The file that a worker thread runs. */
const WORKER_URL = new URL("./worker.ts", import.meta.url);

/** Descriptors that the start of a thread may need. */
const THREAD_DESCRIPTORS = 24;

/** An `EchoServer` in a worker thread, on a port that it shares with others. */
export class ServerThread {
  readonly #listening = outcome<void>();
  readonly #finished = outcome<void>();
  readonly #draining = outcome<number>();
  readonly #totals = outcome<Totals>();

  /** Resolves when it listens. */
  readonly listening = this.#listening.promise;
  /** Resolves when it has been shut down; rejects when it dies of an error. */
  readonly finished = this.#finished.promise;
  /** Resolves, in a shutdown, to how many connections it drains. */
  readonly draining = this.#draining.promise;
  /** Resolves, after a shutdown, to what it has served. */
  readonly totals = this.#totals.promise;

  readonly #worker: Worker;
  readonly #onEvent: (event: ServerEvent) => void;

  /**
   * @param settings What to serve; its `handler` stays behind, functions cannot
   * cross threads.
   */
  constructor({ handler: _, onEvent, ...settings }: Settings) {
    this.#onEvent = onEvent;
    this.#worker = new Worker(WORKER_URL, { type: "module" });
    this.#worker.onmessage = ({ data }: MessageEvent<Report>) =>
      this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#die(event.message);
    };
    this.#order({ type: "serve", settings });
  }

  /** Tells it to stop listening and to drain its connections. */
  shutdown(): void {
    this.#order({ type: "shutdown" });
  }

  #order(order: Order): void {
    this.#worker.postMessage(order);
  }

  #hear(report: Report): void {
    if (report.type === "failed") {
      this.#die(report.reason);
    } else if (report.type === "stopped") {
      this.#terminate();
      this.#finished.resolve();
    } else if (report.event.type === "listening") {
      this.#listening.resolve();
    } else if (report.event.type === "drain") {
      this.#draining.resolve(report.event.connections);
    } else if (report.event.type === "stop") {
      const { type: _, ...totals } = report.event;
      this.#totals.resolve(totals);
    } else {
      this.#onEvent(report.event);
    }
  }

  /** Ends the thread at once, and with it its connections. */
  #terminate(): void {
    this.#worker.terminate();
    this.#draining.resolve(0);
    this.#totals.resolve(NO_TOTALS);
  }

  #die(reason: string): void {
    this.#terminate();
    const error = new Error(reason);
    this.#listening.reject(error);
    this.#finished.reject(error);
  }
}

/**
 * Makes sure that worker threads can be started, and can share a port.
 *
 * @throws {Deno.errors.NotSupported} If the system cannot share a port among
 * threads, or Deno was not given `--unstable-net`.
 * @throws {Deno.errors.NotCapable} If Deno may not read the worker's file.
 */
export async function requireThreads(): Promise<void> {
  if (Deno.build.os !== "linux") {
    throw new Deno.errors.NotSupported(
      "Cannot start workers: only Linux shares a port among threads",
    );
  }
  // Deno ends the process where the permission to share a port is missing. That
  // it is there shows in another API that it brings.
  if (!("listenDatagram" in Deno)) {
    throw new Deno.errors.NotSupported(
      "Cannot start workers: a shared port needs --unstable-net",
    );
  }
  // Deno would print a trace of its own; a compiled executable bears the worker
  // within it.
  if (Deno.build.standalone) return;
  const { state } = await Deno.permissions.query({
    name: "read",
    path: WORKER_URL,
  });
  if (state !== "granted") {
    throw new Deno.errors.NotCapable(
      "Cannot start workers: permission missing, run again with --allow-read",
    );
  }
}

/**
 * The system's code if there are too few descriptors for a thread: to start one
 * would end the process.
 */
export function descriptorShortage(): string | undefined {
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
