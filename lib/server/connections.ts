import { type Handler, SocketConnection } from "../connection/connection.ts";
import { echo } from "./echo.ts";
import {
  type Ending,
  NO_TOTALS,
  type ServerEvent,
  type Totals,
} from "../telemetry/events.ts";
import type { Settings } from "../options/options.ts";
import { reasonOf } from "../util/text.ts";
import { type Pulse, Socket, type Wire } from "../connection/socket.ts";
import { Supervisor } from "../util/supervisor.ts";
import type { ConnectionInfo } from "../admin/source.ts";
import { showAddress } from "../net/address.ts";
import { Turns } from "../connection/turns.ts";
import { pause } from "../util/async.ts";

/** Most seconds between two idle sweeps. */
const SWEEP = 1;

/** Milliseconds of one step of a drain, and of the rest at its beginning. */
const DRAIN_STEP = 10;
const DRAIN_REST = 3;

/**
 * Steps without news after which nothing can be left of what had arrived before
 * the drain. In one step the kernel is asked for input (see `Turns.rest`); the
 * others are for machines that stall.
 */
const QUIET_STEPS = 3;

/**
 * Milliseconds that connections get at the deadline to send what they hold, and
 * then their handlers to notice that they are closed.
 */
const DEADLINE_GRACE = 250;

/** What is open at one moment. */
export interface OpenSnapshot {
  /** Bytes that they have moved so far, for each listener in order. */
  bytes: { bytesIn: number; bytesOut: number }[];
  /** How many connections are open. */
  total: number;
  /** Some of them. */
  connections: ConnectionInfo[];
}

/**
 * The open connections of a server: how many there may be, which have been idle
 * too long, and how they drain. They outlive the listener that they came from.
 */
export class Connections {
  /** What has been served so far. */
  readonly totals: Totals = { ...NO_TOTALS };

  readonly #settings: Settings;
  readonly #handler: Handler;
  readonly #onEvent: (event: ServerEvent) => void;
  readonly #pulse: Pulse = {
    sweep: 0,
    drainStep: 0,
    news: 0,
    turns: new Turns(),
  };
  readonly #children = new Supervisor({
    shutdownTimeout: DEADLINE_GRACE / 1000,
  });
  readonly #open = new Set<Socket>();
  readonly #sweeper: ReturnType<typeof setInterval> | undefined;
  #vacancy: PromiseWithResolvers<void> | undefined;
  #drained: Promise<void> | undefined;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#handler = settings.handler ?? echo(settings);
    this.#onEvent = settings.onEvent;
    const { idleTimeout } = settings;
    if (idleTimeout > 0) {
      const sweep = Math.min(SWEEP, idleTimeout / 4);
      // A byte may have moved at any time before the sweep that counts as its
      // first.
      const most = Math.ceil(idleTimeout / sweep) + 1;
      this.#sweeper = setInterval(() => this.#closeIdle(most), sweep * 1000);
    }
  }

  /** Settles when one more may be served. */
  async vacancy(): Promise<void> {
    while (this.#open.size >= this.#settings.maxConnections) {
      this.#vacancy ??= Promise.withResolvers();
      await this.#vacancy.promise;
    }
  }

  /** Serves a connection as a child of its own. */
  serve(wire: Wire): void {
    const number = ++this.totals.connections;
    const socket = new Socket(
      wire,
      this.#pulse,
      this.#settings.mode === "line",
    );
    this.#open.add(socket);
    this.#children.startChild({
      restart: "temporary",
      run: () => this.#handle(socket, number),
    });
  }

  /** What is open now, and at most `limit` connections of it. */
  snapshot(limit: number): OpenSnapshot {
    const open = [...this.#open];
    const bytesIn = open.reduce((sum, { bytesIn }) => sum + bytesIn, 0);
    const bytesOut = open.reduce((sum, { bytesOut }) => sum + bytesOut, 0);
    const connections = open.slice(0, limit).map((socket) => ({
      connection: 0,
      listener: "tcp://stand-in",
      peer: showAddress(socket.remoteAddr),
      client: showAddress(socket.remoteAddr),
      bytesIn: socket.bytesIn,
      bytesOut: socket.bytesOut,
      seconds: 0,
    }));
    return { bytes: [{ bytesIn, bytesOut }], total: open.length, connections };
  }

  /**
   * Ends every connection, none before what had arrived for it has been served
   * or the time is up.
   */
  drain(): Promise<void> {
    return this.#drained ??= this.#drainOnce();
  }

  async #handle(socket: Socket, connection: number): Promise<void> {
    const start = performance.now();
    let failure: { error: unknown } | undefined;
    try {
      await this.#handler(new SocketConnection(socket));
      await socket.linger();
    } catch (error) {
      failure = { error };
    }
    socket.close();
    this.#open.delete(socket);
    this.#vacancy?.resolve();
    this.#vacancy = undefined;
    this.#count(socket);
    const { remoteAddr, bytesIn, bytesOut } = socket;
    const ending = endingOf(socket, failure);
    this.#onEvent({
      type: "connection",
      listener: "tcp://stand-in",
      connection,
      remoteAddr,
      bytesIn,
      bytesOut,
      seconds: Math.round(performance.now() - start) / 1000,
      ending,
      ...ending === "failed" && { reason: reasonOf(failure?.error) },
    });
  }

  #count({ bytesIn, bytesOut }: Socket): void {
    this.totals.bytesIn += bytesIn;
    this.totals.bytesOut += bytesOut;
  }

  /** Closes the connections on which no byte has moved for so many sweeps. */
  #closeIdle(most: number): void {
    this.#pulse.sweep++;
    for (const socket of this.#open) {
      if (socket.sweepsIdle < most) continue;
      // Where it waits for input, what it holds can still be sent; it has until
      // the next sweep.
      const stuck = !socket.waitsForInput;
      socket.giveUp("idle");
      if (stuck) socket.close();
    }
  }

  async #drainOnce(): Promise<void> {
    const { shutdownTimeout } = this.#settings;
    this.#onEvent({
      type: "drain",
      connections: this.#open.size,
      seconds: shutdownTimeout,
    });
    await this.#endQuietInputs(performance.now() + shutdownTimeout * 1000);
    if (this.#open.size > 0) await this.#cutOff();
    clearInterval(this.#sweeper);
    await this.#children.shutdown();
    // Of handlers that outlive their connection.
    for (const socket of this.#open) this.#count(socket);
    this.#onEvent({ type: "stop", ...this.totals });
  }

  /**
   * Ends the input of each connection once nothing can be left of what had
   * arrived for it before the drain. The kernel cannot be asked for that. But in
   * each step it tells who is ready, and once no connection has been heard of
   * for some steps, those that still wait have nothing left.
   */
  async #endQuietInputs(deadline: number): Promise<void> {
    const pulse = this.#pulse;
    pulse.drainStep = 1;
    let lastNews = 1;
    let { news } = pulse;
    // At least one step, for a client that was accepted at the last moment.
    do {
      await Promise.all([pulse.turns.rest(DRAIN_REST), pause(DRAIN_STEP)]);
      pulse.drainStep++;
      if (pulse.news > news) lastNews = pulse.drainStep;
      news = pulse.news;
      if (pulse.drainStep - lastNews >= QUIET_STEPS) {
        for (const socket of this.#open) socket.endInputIfQuiet(QUIET_STEPS);
      }
    } while (this.#open.size > 0 && performance.now() < deadline);
  }

  /** Ends every connection, after a last chance to send what it holds. */
  async #cutOff(): Promise<void> {
    for (const socket of this.#open) socket.giveUp("deadline");
    const end = performance.now() + DEADLINE_GRACE;
    while (this.#open.size > 0 && performance.now() < end) {
      await pause(DRAIN_STEP);
    }
    for (const socket of this.#open) socket.close();
  }
}

function endingOf(socket: Socket, failure?: { error: unknown }): Ending {
  if (socket.verdict) return socket.verdict;
  if (!failure) return "closed";
  const reset = NETWORK_ERRORS.some((kind) => failure.error instanceof kind);
  return reset ? "reset" : "failed";
}

/** The client's end or the network failed, and not the handler. */
const NETWORK_ERRORS = [
  Deno.errors.BrokenPipe,
  Deno.errors.ConnectionAborted,
  Deno.errors.ConnectionReset,
  Deno.errors.NotConnected,
  Deno.errors.TimedOut,
];
