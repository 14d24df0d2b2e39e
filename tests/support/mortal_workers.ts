/**
 * Worker threads that can be made to die.
 *
 * @module
 */

import type { Order, Report, WorkerSettings } from "../../lib/tree/messages.ts";
import { inTime } from "./program.ts";

/** Threads that a tree starts its workers in. */
export class MortalWorkers {
  /** All that were started, in order. */
  readonly all: Worker[] = [];
  /** What each was told to serve. */
  readonly settings: WorkerSettings[] = [];
  /** How many connections of each have ended. */
  readonly served: number[] = [];
  /** How many messages with events have come. */
  batches = 0;
  /** How many have stopped as they were told. */
  stopped = 0;
  readonly #Worker = globalThis.Worker;
  #listening = 0;
  #news = Promise.withResolvers<void>();

  /** Starts a thread. */
  readonly startThread = (): Worker => {
    const url = import.meta.resolve("./mortal_worker.ts");
    const worker = new this.#Worker(url, { type: "module" });
    const index = this.all.push(worker) - 1;
    worker.addEventListener("message", ({ data }) => this.#hear(index, data));
    const post = worker.postMessage.bind(worker);
    worker.postMessage = (message: Order) => {
      if (message.type === "serve") this.settings.push(message.settings);
      post(message);
    };
    return worker;
  };

  /** Kills one, by an error that nobody catches. */
  kill(index: number): void {
    this.all[index]!.postMessage("die");
  }

  /** Waits until so many have listened. */
  listened(count: number): Promise<void> {
    const heard = async () => {
      while (this.#listening < count) await this.#news.promise;
    };
    return inTime(`${count} workers to listen`, heard());
  }

  #hear(index: number, report: Report): void {
    if (report.type === "events") {
      const ended = report.events.filter(({ type }) => type === "connection");
      this.served[index] = (this.served[index] ?? 0) + ended.length;
      this.batches++;
    }
    if (report.type === "stopped") this.stopped++;
    if (report.type !== "listening") return;
    this.#listening++;
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}
