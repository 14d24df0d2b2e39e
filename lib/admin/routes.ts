/**
 * What is answered on which path.
 *
 * @module
 */

import type { EventFeed } from "./event_feed.ts";
import { metrics, METRICS_TYPE } from "./metrics.ts";
import { PAGE } from "./page.ts";
import type { AdminSource } from "./source.ts";
import { MAX_CONNECTIONS } from "./updates.ts";

/** What becomes a response. */
export interface Answer {
  /** @default {200} */
  status?: number;
  /** The content type; without it plain text. */
  type?: string;
  /** Headers of this answer alone. */
  headers?: Record<string, string>;
  /** Text, or what opens the stream if the response has a body. */
  body: string | (() => ReadableStream<Uint8Array>);
}

/** Makes the answer of a path. */
export type Route = () => Answer | Promise<Answer>;

/** The routes, by path. */
export function routesOf(
  source: AdminSource,
  feed: EventFeed,
): ReadonlyMap<string, Route> {
  return new Map<string, Route>([
    ["/", () => ({ type: "text/html; charset=utf-8", body: PAGE })],
    ["/livez", () => ({ body: "alive\n" })],
    [
      "/readyz",
      () =>
        source.ready()
          ? { body: "ready\n" }
          : { status: 503, body: "not ready\n" },
    ],
    ["/metrics", async () => ({
      type: METRICS_TYPE,
      body: metrics(source, await source.snapshot()),
    })],
    ["/connections", async () => {
      const { total, connections } = await source.connections(MAX_CONNECTIONS);
      return {
        type: "application/json",
        body: JSON.stringify({ total, connections }) + "\n",
      };
    }],
    ["/events", () => ({
      type: "text/event-stream",
      body: () => feed.open(),
    })],
  ]);
}

/**
 * The paths that are answered however many requests are open: each is done at
 * once, and an orchestrator acts on them.
 */
export const HEALTH: ReadonlySet<string> = new Set(["/livez", "/readyz"]);

/** A request that cannot be read. */
export const BAD_REQUEST: Answer = { status: 400, body: "bad request\n" };

/** A path that is none of the routes. */
export const NOT_FOUND: Answer = { status: 404, body: "not found\n" };

/** A method that could change something. */
export const NOT_ALLOWED: Answer = {
  status: 405,
  headers: { Allow: "GET, HEAD" },
  body: "method not allowed\n",
};

/** The echo server could not be asked. */
export const FAILED: Answer = { status: 500, body: "internal error\n" };

/** There are as many requests open as may be, or the server closes. */
export const UNAVAILABLE: Answer = {
  status: 503,
  headers: { "Retry-After": "1" },
  body: "unavailable\n",
};
