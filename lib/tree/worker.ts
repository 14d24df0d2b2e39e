/// <reference lib="deno.worker" />
import type { ServerEvent } from "../telemetry/events.ts";
import type { Settings } from "../options/options.ts";
import { reasonOf } from "../util/text.ts";
import { EchoServer } from "../server/server.ts";

/** What a worker is told: to serve, then to stop. */
export type Order =
  | { type: "serve"; settings: Omit<Settings, "handler" | "onEvent"> }
  | { type: "shutdown" };

/**
 * What a worker tells: an event of its server, that it has stopped, or why it
 * cannot go on.
 */
export type Report =
  | { type: "event"; event: ServerEvent }
  | { type: "stopped" }
  | { type: "failed"; reason: string };

let server: EchoServer | undefined;

self.onmessage = async ({ data: order }: MessageEvent<Order>) => {
  try {
    if (order.type === "serve") {
      const settings = {
        ...order.settings,
        onEvent: (event: ServerEvent) => report({ type: "event", event }),
      };
      server = EchoServer.startWith(settings, { reusePort: true });
      await server.finished;
      report({ type: "stopped" });
    } else {
      await server?.shutdown();
    }
  } catch (error) {
    fail(error);
  }
};

// Nothing may reach Deno's own handlers, which print a trace.
self.addEventListener("error", (event) => {
  event.preventDefault();
  fail(event.error);
});
self.addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  fail(event.reason);
});

function fail(error: unknown): void {
  report({ type: "failed", reason: reasonOf(error) });
}

function report(message: Report): void {
  self.postMessage(message);
}
