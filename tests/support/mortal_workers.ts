/**
 * Worker threads that can be made to die.
 *
 * @module
 */

import { guard } from "./program.ts";

/** Takes the place of `Worker`. */
export class MortalWorkers implements Disposable {
  /** All that were started, in order. */
  readonly all: Worker[] = [];
  /** What each was told to serve. */
  readonly settings: { port: number; maxConnections: number }[] = [];
  /** How many connections of each have ended. */
  readonly served: number[] = [];
  /** How many have stopped as they were told. */
  stopped = 0;
  readonly #Worker = globalThis.Worker;
  #listening = 0;
  #news = Promise.withResolvers<void>();

  constructor() {
    const { all, settings } = this;
    const hear = (index: number, { data }: MessageEvent) =>
      this.#hear(index, data.event?.type ?? data.type);
    globalThis.Worker = class extends this.#Worker {
      constructor() {
        super(import.meta.resolve("./mortal_worker.ts"), { type: "module" });
        const index = all.push(this) - 1;
        this.addEventListener("message", (event) => hear(index, event));
      }

      // deno-lint-ignore no-explicit-any -- whatever the tree has to say
      override postMessage(message: any) {
        if (message.type === "serve") settings.push(message.settings);
        super.postMessage(message);
      }
    };
  }

  /** Kills one, by an error that nobody catches. */
  kill(index: number): void {
    this.all[index]!.postMessage("die");
  }

  /** Waits until so many have listened. */
  async listened(count: number): Promise<void> {
    const late = guard(`${count} workers to listen`);
    while (this.#listening < count) {
      await Promise.race([this.#news.promise, late.promise]);
    }
    late.clear();
  }

  /** Puts `Worker` back. */
  [Symbol.dispose](): void {
    globalThis.Worker = this.#Worker;
  }

  #hear(index: number, event?: string): void {
    if (event === "connection") {
      this.served[index] = (this.served[index] ?? 0) + 1;
    }
    if (event === "stopped") this.stopped++;
    if (event !== "listening") return;
    this.#listening++;
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}
