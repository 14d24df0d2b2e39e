/**
 * The worker, but for one message of which it dies: an error that nobody
 * catches.
 *
 * @module
 */

/// <reference lib="deno.worker" />
import "../../lib/tree/worker.ts";

const serve = self.onmessage as (event: MessageEvent) => void;

self.onmessage = (event: MessageEvent) => {
  if (event.data === "die") throw new Error("killed");
  serve(event);
};
