import type { ServerEvent, Totals } from "./events.ts";
import type { Settings } from "./options.ts";
import type { Order, Report } from "./worker.ts";

/** The file that a worker thread runs. */
export const WORKER = new URL("./worker.ts", import.meta.url);

/** What a thread that has died can tell of what it served. */
export const NOTHING: Totals = {
  connections: 0,
  passedOver: 0,
  bytesIn: 0,
  bytesOut: 0,
};

/** An `EchoServer` in a worker thread, on a port that it shares with others. */
export class ServerThread {
  /** Resolves when it listens. */
  readonly listening: Promise<void>;
  /** Resolves when it has been shut down; rejects when it dies of an error. */
  readonly finished: Promise<void>;
  /** Resolves, in a shutdown, to how many connections it drains. */
  readonly draining: Promise<number>;
  /** Resolves, after a shutdown, to what it has served. */
  readonly totals: Promise<Totals>;

  readonly #worker: Worker;
  readonly #onEvent: (event: ServerEvent) => void;
  readonly #listening: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #finished: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #draining: PromiseWithResolvers<number> = Promise.withResolvers();
  readonly #totals: PromiseWithResolvers<Totals> = Promise.withResolvers();

  /**
   * @param settings What to serve; its `handler` stays behind, functions cannot
   * cross threads.
   */
  constructor({ handler: _, onEvent, ...settings }: Settings) {
    this.#onEvent = onEvent;
    this.listening = this.#listening.promise;
    this.finished = this.#finished.promise;
    this.draining = this.#draining.promise;
    this.totals = this.#totals.promise;
    this.listening.catch(() => {});
    this.finished.catch(() => {});
    this.#worker = new Worker(WORKER, { type: "module" });
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
    this.#totals.resolve(NOTHING);
  }

  #die(reason: string): void {
    this.#terminate();
    const error = new Error(reason);
    this.#listening.reject(error);
    this.#finished.reject(error);
  }
}
