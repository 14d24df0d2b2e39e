/**
 * What a worker thread runs: a server, as the tree orders.
 *
 * @module
 */

import { findFree } from "../server/bind.ts";
import { Connections } from "../server/connections.ts";
import { EchoServer } from "../server/server.ts";
import type { ServerEvent } from "../telemetry/events.ts";
import { reasonOf } from "../util/text.ts";
import {
  countersIn,
  type Order,
  type Report,
  type ServeOrder,
} from "./messages.ts";

/** The thread: what every program has, and the way to the tree. */
declare const self:
  & typeof globalThis
  & Pick<Worker, "onmessage" | "postMessage">;

let starting: Promise<EchoServer> | undefined;
let events: ServerEvent[] = [];

self.onmessage = async ({ data: order }: MessageEvent<Order>) => {
  try {
    switch (order.type) {
      case "serve":
        return await serve(order);
      case "drain":
        return await (await starting)?.shutdown();
      case "snapshot":
        return await answer(order.id, order.limit);
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

async function serve(order: ServeOrder): Promise<void> {
  // At once: an order to drain may come before it has started.
  starting = start(order);
  const server = await starting;
  report({ type: "listening" });
  await server.finished;
}

async function start(order: ServeOrder): Promise<EchoServer> {
  const settings = { ...order.settings, onEvent: hear };
  const connections = new Connections(settings, countersIn(order.counters));
  const sharing = { first: order.first };
  // A port that is bound without sharing is found taken. Between that and the
  // shared bind, some hundred microseconds, another program that does the same
  // goes unnoticed: nothing else may come between these two.
  if (order.claimsPorts) await findFree(settings);
  return await EchoServer.startWith(settings, { connections, sharing });
}

async function answer(id: number, limit: number): Promise<void> {
  const server = await starting;
  if (!server) return;
  const { connections } = server;
  const open = connections.snapshot(limit);
  report({ type: "snapshot", id, open, listeners: connections.snapshots() });
}

/** Reports an event of the server, unless the tree tells it for all workers. */
function hear(event: ServerEvent): void {
  switch (event.type) {
    case "faults":
    case "listening":
      return;
    case "drain":
      return report({ type: "draining", connections: event.connections });
    case "stop":
      return report({ type: "stopped" });
    default:
      if (events.push(event) === 1) setImmediate(reportEvents);
  }
}

function fail(error: unknown): void {
  report({ type: "failed", reason: reasonOf(error) });
}

/** Reports, after the events that came before. */
function report(report: Report): void {
  reportEvents();
  self.postMessage(report);
}

/** One message for all events of an event-loop turn: there may be thousands. */
function reportEvents(): void {
  if (events.length === 0) return;
  const report: Report = { type: "events", events };
  events = [];
  self.postMessage(report);
}
