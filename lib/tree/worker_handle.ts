/**
 * A worker thread, seen from the tree.
 *
 * @module
 */

import type { ServerEvent } from "../telemetry/events.ts";
import { deferred } from "../util/async.ts";
import type { Order, Report, ServeOrder, SnapshotReport } from "./messages.ts";

/** Milliseconds that a worker has to answer with a snapshot. */
const SNAPSHOT_TIMEOUT = 1000;

/** The part of a `Worker` that is needed. */
export type WorkerThread = Pick<
  Worker,
  "onmessage" | "onerror" | "postMessage" | "terminate"
>;

/** An `EchoServer` in a worker thread. */
export class WorkerHandle {
  readonly #listening = deferred<void>();
  readonly #finished = deferred<void>();
  readonly #draining = deferred<number>();

  /** Resolves when it listens. */
  readonly listening = this.#listening.promise;
  /** Resolves when it has been drained; rejects when it dies of an error. */
  readonly finished = this.#finished.promise;
  /** Resolves, in a drain, to how many connections it drains. */
  readonly draining = this.#draining.promise;

  readonly #thread: WorkerThread;
  readonly #onEvent: (event: ServerEvent) => void;
  readonly #snapshots = new Map<number, (report?: SnapshotReport) => void>();
  #lastSnapshot = 0;
  #ended = false;

  /**
   * @param thread Runs `worker.ts`.
   * @param order What it serves.
   * @param onEvent Called with its events.
   */
  constructor(
    thread: WorkerThread,
    order: ServeOrder,
    onEvent: (event: ServerEvent) => void,
  ) {
    this.#thread = thread;
    this.#onEvent = onEvent;
    thread.onmessage = ({ data }: MessageEvent<Report>) => this.#hear(data);
    thread.onerror = (event) => {
      event.preventDefault();
      this.#die(event.message);
    };
    this.#order(order);
  }

  /** Whether its thread has ended. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Tells it to stop listening and to drain its connections. */
  drain(): void {
    this.#order({ type: "drain" });
  }

  /**
   * What it serves and has served, and at most `limit` of its connections.
   *
   * @param timeout Milliseconds that it has to answer.
   * @returns Nothing if it does not answer, or has ended.
   */
  async snapshot(
    limit: number,
    timeout = SNAPSHOT_TIMEOUT,
  ): Promise<SnapshotReport | undefined> {
    if (this.#ended) return undefined;
    const id = ++this.#lastSnapshot;
    const { promise, resolve } = Promise.withResolvers<
      SnapshotReport | undefined
    >();
    this.#snapshots.set(id, resolve);
    const timer = setTimeout(() => resolve(undefined), timeout);
    this.#order({ type: "snapshot", id, limit });
    const report = await promise;
    clearTimeout(timer);
    this.#snapshots.delete(id);
    return report;
  }

  /** Ends the thread at once, and with it its connections. */
  terminate(): void {
    this.#ended = true;
    this.#thread.terminate();
    this.#finished.resolve();
    this.#draining.resolve(0);
    for (const resolve of this.#snapshots.values()) resolve();
  }

  #order(order: Order): void {
    this.#thread.postMessage(order);
  }

  #hear(report: Report): void {
    switch (report.type) {
      case "listening":
        return this.#listening.resolve();
      case "events":
        for (const event of report.events) this.#onEvent(event);
        return;
      case "draining":
        return this.#draining.resolve(report.connections);
      case "snapshot":
        return this.#snapshots.get(report.id)?.(report);
      case "stopped":
        return this.terminate();
      case "failed":
        return this.#die(report.reason);
    }
  }

  #die(reason: string): void {
    const error = new Error(reason);
    this.#listening.reject(error);
    this.#finished.reject(error);
    this.terminate();
  }
}
