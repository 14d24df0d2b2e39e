/**
 * An honest client in a thread of its own, so that it measures what the server
 * does to it and not what its neighbours in the same process do.
 *
 * @module
 */

/// <reference lib="deno.worker" />
import { probe } from "../../lib/mod.ts";

/** Lines a second. */
const RATE = 100;

/** What it has seen since it was last asked. */
export interface Watched {
  /** Lines that came back. */
  lines: number;
  /** The longest that one took, in milliseconds. */
  worst: number;
  /** What went wrong. */
  failure?: string;
}

self.onmessage = async ({ data: port }: MessageEvent<number>) => {
  for (;;) {
    const stop = new AbortController();
    self.onmessage = () => stop.abort();
    const report = await probe(
      `127.0.0.1:${port}`,
      { connections: 1, rate: RATE, duration: 86_400, signal: stop.signal },
    );
    const { lines, first_error: failure } = report;
    // From sending to answer: that this thread was late itself, beside the load
    // on the same cores, is not the server's doing.
    const { max } = report.uncorrected_latency_ms ?? report.latency_ms;
    const watched: Watched = { lines, worst: max ?? 0 };
    if (failure !== undefined) watched.failure = failure;
    self.postMessage(watched);
  }
};
