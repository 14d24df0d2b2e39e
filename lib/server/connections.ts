/**
 * The open connections of a server: how many there may be, and which have been
 * idle too long. They outlive the listeners that they came from.
 *
 * @module
 */

import type { Access } from "../connection/access.ts";
import type { Pulse } from "../connection/socket.ts";
import { showAddress } from "../net/address.ts";
import type { RawWire } from "../net/transport.ts";
import type { Settings } from "../options/options.ts";
import type { Counters } from "../telemetry/counters.ts";
import {
  type ConnectionInfo,
  type NamedSnapshot,
  type OpenSnapshot,
  totalsOf,
} from "../telemetry/snapshot.ts";
import { DenseSet } from "../util/dense_set.ts";
import { Supervisor } from "../util/supervisor.ts";
import type { Bound } from "./bind.ts";
import type { EndEvent, ServedConnection } from "./served_connection.ts";
import type { Service } from "./service.ts";
import type * as Serving from "./serving.ts";

/** Most seconds between two idle sweeps. */
const SWEEP = 1;

/**
 * Seconds that handlers get to notice that their connection has been closed,
 * unless a shutdown is to take no time at all.
 */
const HANDLER_GRACE = 0.25;

/** Milliseconds below the limit of connections after which it is news again. */
const LIMIT_EPISODE = 1000;

/** The open connections of a server, over all of its listeners. */
export class Connections {
  /** One for each listener, in their order. */
  readonly services: Service[] = [];
  /** Whether all listeners are open. */
  ready = false;

  readonly #settings: Settings;
  readonly #pulse: Pulse = { sweeps: 0 };
  readonly #counters: readonly Counters[];
  readonly #children: Supervisor;
  readonly #open = new DenseSet<ServedConnection>();
  /** Loaded with the services: nothing is served before. */
  #serving: typeof Serving | undefined;
  #sweeper: ReturnType<typeof setInterval> | undefined;
  #vacancy: PromiseWithResolvers<void> | undefined;
  #emptied: PromiseWithResolvers<void> | undefined;
  #atLimit = false;
  #limitTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #draining = new AbortController();
  readonly #heldBy: Promise<void>[] = [];
  #drained: Promise<void> | undefined;

  /** @param counters What counts, if another thread is to see it. */
  constructor(settings: Settings, counters: readonly Counters[] = []) {
    this.#settings = settings;
    this.#counters = counters;
    this.#children = new Supervisor({
      shutdownTimeout: settings.shutdownTimeout > 0 ? HANDLER_GRACE : 0,
    });
  }

  /** Makes the services of listeners, unless there are some from before. */
  async addServices(bound: readonly Bound[]): Promise<void> {
    if (this.services.length > 0) return;
    const { Counters, makeService } = this.#serving = await import(
      "./serving.ts"
    );
    const sweepSeconds = sweepSecondsOf(this.#settings);
    const access = await accessOf(this.#settings);
    for (const [index, { name, settings }] of bound.entries()) {
      this.services.push(
        await makeService(this.#settings, {
          index,
          name,
          settings,
          counters: this.#counters[index] ?? new Counters(),
          access,
          pulse: this.#pulse,
          sweepSeconds,
          draining: this.#draining.signal,
        }),
      );
    }
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  /** How many are open, and at most `limit` of them one by one. */
  snapshot(limit: number): OpenSnapshot {
    const connections = Iterator.from(this.#open).take(limit).map(describe);
    return { total: this.size, connections: connections.toArray() };
  }

  /** What each listener has served until now. */
  snapshots(): NamedSnapshot[] {
    const moved = this.services.map(() => ({ bytesIn: 0, bytesOut: 0 }));
    for (const { service, socket } of this.#open) {
      const sum = moved[service.index]!;
      sum.bytesIn += socket.bytesIn;
      sum.bytesOut += socket.bytesOut;
    }
    return this.services.map(({ name, counters, index }) => ({
      listener: name,
      ...counters.snapshot(moved[index]),
    }));
  }

  /** Settles when one more may be served; nothing if it may now. */
  vacancy(): Promise<void> | undefined {
    if (this.#open.size < this.#settings.maxConnections) return undefined;
    this.#tellLimit();
    return (this.#vacancy ??= Promise.withResolvers()).promise;
  }

  /** Lets no drain settle before `work` has. */
  holdDrain(work: Promise<void>): void {
    this.#heldBy.push(work);
  }

  /** Serves a connection as a child of its own. */
  serve(wire: RawWire, service: Service): void {
    const { ServedConnection, kernelHolds } = this.#serving!;
    const connection = new ServedConnection(wire, service, this.#ended);
    this.#open.add(connection);
    if (this.#drained) connection.socket.beginDrain(kernelHolds(this.size));
    else this.#sweeper ??= this.#startSweeper();
    this.#children.startChild(connection);
  }

  /**
   * Ends every connection, none before what had arrived for it has been served
   * or the time is up. Can be called more than once.
   */
  drain(): Promise<void> {
    return this.#drained ??= this.#drainOnce();
  }

  readonly #ended = (connection: ServedConnection, event: EndEvent): void => {
    this.#open.delete(connection);
    this.#vacancy?.resolve();
    this.#vacancy = undefined;
    if (this.#open.size === 0) this.#emptied?.resolve();
    if (this.#atLimit) this.#limitTimer ??= this.#tellLimitOver();
    this.#settings.onEvent(event);
  };

  /**
   * Not before there is something to sweep: the first timer of a program takes
   * the runtime 10 ms, and a server is sooner ready without it.
   */
  #startSweeper(): ReturnType<typeof setInterval> | undefined {
    const seconds = sweepSecondsOf(this.#settings);
    if (seconds === 0) return undefined;
    return setInterval(() => this.#sweep(), seconds * 1000);
  }

  /** Closes the connections on which no byte has moved for too long. */
  #sweep(): void {
    this.#pulse.sweeps++;
    const idle = [...this.#open].filter((connection) => connection.isIdle);
    if (idle.length === 0) return;
    // A starved event loop may not have read what the kernel holds for them.
    this.#serving!.reads.round(() => {
      for (const connection of idle) {
        if (connection.isIdle) connection.endIdle();
      }
    });
  }

  async #drainOnce(): Promise<void> {
    const { shutdownTimeout, onEvent } = this.#settings;
    const connections = this.#open.size;
    this.#draining.abort();
    onEvent({ type: "drain", connections, seconds: shutdownTimeout });
    if (connections > 0) {
      this.#emptied = Promise.withResolvers();
      await this.#serving!.drain({
        open: this.#open,
        pulse: this.#pulse,
        emptied: this.#emptied.promise,
        timeout: shutdownTimeout,
      });
    }
    await Promise.all(this.#heldBy);
    clearInterval(this.#sweeper);
    clearTimeout(this.#limitTimer);
    await this.#children.shutdown();
    onEvent({ type: "stop", ...totalsOf(this.snapshots()) });
  }

  /** Tells once an episode that the limit has been reached, and its end. */
  #tellLimit(): void {
    clearTimeout(this.#limitTimer);
    this.#limitTimer = undefined;
    if (this.#atLimit) return;
    this.#atLimit = true;
    const { maxConnections, onEvent } = this.#settings;
    onEvent({ type: "limit", reached: true, connections: maxConnections });
  }

  #tellLimitOver(): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.#limitTimer = undefined;
      this.#atLimit = false;
      this.#settings.onEvent({
        type: "limit",
        reached: false,
        connections: this.#settings.maxConnections,
      });
    }, LIMIT_EPISODE);
  }
}

/** A quarter of the shortest idle time-out, and no more than {@linkcode SWEEP}. */
function sweepSecondsOf({ listeners }: Settings): number {
  const timeouts = listeners.map(({ idleTimeout }) => idleTimeout)
    .filter((seconds) => seconds > 0);
  return timeouts.length === 0
    ? 0
    : Math.min(SWEEP, ...timeouts.map((s) => s / 4));
}

function describe(connection: ServedConnection): ConnectionInfo {
  const { number, service, peer, client, socket, seconds } = connection;
  return {
    connection: number,
    listener: service.name,
    peer: showAddress(peer),
    client: showAddress(client),
    bytesIn: socket.bytesIn,
    bytesOut: socket.bytesOut,
    seconds,
  };
}

/** Who is served; nothing where everybody is. */
async function accessOf(
  settings: Settings,
): Promise<Access | undefined> {
  const { allow, deny, maxPerAddress } = settings;
  if (allow.length === 0 && deny.length === 0 && maxPerAddress === 0) {
    return undefined;
  }
  const { Access } = await import("../connection/access.ts");
  return new Access(settings);
}
