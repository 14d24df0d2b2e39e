/**
 * An honest client in a thread of its own, so that it measures what the server
 * does to it and not what its neighbours in the same process do.
 *
 * @module
 */

/// <reference lib="deno.worker" />
import { Client } from "./client.ts";

/** Milliseconds between an echo and the next line. */
const PACE = 5;

/** What it has seen since it was last asked. */
export interface Watched {
  /** Lines that came back. */
  lines: number;
  /** The longest that one took, in milliseconds. */
  worst: number;
  /** What went wrong: then it watches no more. */
  failure?: string;
}

let watched: Watched = { lines: 0, worst: 0 };

self.onmessage = ({ data }: MessageEvent<number | "report">) => {
  if (data === "report") {
    self.postMessage(watched);
    watched = { ...watched, lines: 0, worst: 0 };
  } else {
    watch(data).catch((error) => watched.failure = String(error));
  }
};

async function watch(port: number): Promise<void> {
  using client = await Client.connect(port);
  for (let i = 0;; i++) {
    const line = `${i} is the number of this line\n`;
    const start = performance.now();
    const back = await client.echo(line);
    watched.worst = Math.max(watched.worst, performance.now() - start);
    watched.lines++;
    if (back !== line) throw new Error(`"${back}" came back for "${line}"`);
    await new Promise((resolve) => setTimeout(resolve, PACE));
  }
}
