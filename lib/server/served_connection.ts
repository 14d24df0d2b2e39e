/**
 * One connection from its accept to its end: admission, greeting, handler, FIN.
 *
 * @module
 */

import { SocketConnection } from "../connection/connection.ts";
import { linger } from "../connection/linger.ts";
import { Socket } from "../connection/socket.ts";
import { type Address, showAddress, toAddress } from "../net/address.ts";
import type { RawWire } from "../net/transport.ts";
import type {
  ConnectionEvent,
  Ending,
  RejectedEvent,
  RejectReason,
  Verdict,
} from "../telemetry/events.ts";
import { isNetworkError } from "../net/errors.ts";
import type { Placed } from "../util/dense_set.ts";
import type { ChildSpec } from "../util/supervisor.ts";
import { reasonOf } from "../util/text.ts";
import type { Admit } from "./admit.ts";
import type { Service } from "./service.ts";

/** What a connection tells when it has ended. */
export type EndEvent = ConnectionEvent | RejectedEvent;

/** A connection that has been accepted, and has not ended. */
export class ServedConnection implements ChildSpec, Placed {
  /** As a child of its server: it ends alone. */
  readonly restart = "temporary";
  readonly socket: Socket;
  readonly service: Service;
  /** Counts the connections of its listener, from 1. */
  readonly number: number;
  /** Whether its handler has not been called yet. */
  admitting = true;
  /** Where it is among the open ones. */
  place = 0;
  readonly #peer: Deno.Addr;
  readonly #start = performance.now();
  readonly #onEnd: (connection: ServedConnection, event: EndEvent) => void;
  #client: Address | undefined;
  /** Gives back what its address has been counted for. */
  #leave: (() => void) | undefined;
  #handled = false;
  #ended = false;

  /** @param onEnd Called once, when it has ended. */
  constructor(
    wire: RawWire,
    service: Service,
    onEnd: (connection: ServedConnection, event: EndEvent) => void,
  ) {
    this.service = service;
    this.number = ++service.connections;
    service.counters.accept();
    this.#onEnd = onEnd;
    this.#peer = wire.remoteAddr;
    this.socket = new Socket(wire, service.context, () => this.#closed());
  }

  /** The address at the other end of the socket. */
  get peer(): Address {
    return toAddress(this.#peer);
  }

  /** The client's address: what a PROXY header says, else the peer. */
  get client(): Address {
    return this.#client ?? this.peer;
  }

  /** Seconds since it was accepted, to the millisecond. */
  get seconds(): number {
    return Math.round(performance.now() - this.#start) / 1000;
  }

  /** Whether no byte has moved for the idle time-out. */
  get isIdle(): boolean {
    const { idleSweeps } = this.service;
    return idleSweeps > 0 && this.socket.sweepsIdle >= idleSweeps;
  }

  /**
   * Ends it as idle. Where it waits for input, what it holds is sent before, and
   * it has until the next sweep.
   */
  endIdle(): void {
    const { socket } = this;
    if (socket.queued) return;
    const stuck = !socket.reading || !socket.inputOpen;
    socket.giveUp("idle");
    if (stuck) this.end();
  }

  /** Serves it to its end. Never rejects. */
  async run(): Promise<void> {
    const { service, socket } = this;
    try {
      if (service.admit && !await this.#admit(service.admit)) {
        return;
      }
      if (service.settings.greeting) await this.#greet();
      this.admitting = false;
      // Not held here: streams that were fused are then free to go.
      await service.handler(new SocketConnection(socket, this.#client), this);
      this.#handled = true;
      await linger(socket, service.slowestLinger);
      this.end();
    } catch (error) {
      this.end({ error });
    }
  }

  /** Ends it at once. Doing so twice is fine. */
  end(failure?: { error: unknown }): void {
    if (this.#ended) return;
    this.#ended = true;
    const { service, socket, seconds } = this;
    const ending = endingOf(socket.reason, failure);
    socket.close();
    this.#leave?.();
    const { bytesIn, bytesOut } = socket;
    service.counters.close(ending, seconds, bytesIn, bytesOut);
    const event: ConnectionEvent = {
      type: "connection",
      listener: service.name,
      connection: this.number,
      remoteAddr: this.client,
      bytesIn,
      bytesOut,
      seconds,
      ending,
    };
    if (this.#client) event.peerAddr = this.peer;
    if (ending === "failed") event.reason = reasonOf(failure?.error);
    this.#onEnd(this, event);
  }

  /**
   * Frees the place of a connection that has been closed while its handler runs
   * on, but not before that had a turn to say that it failed.
   */
  #closed(): void {
    if (!this.#handled && !this.#ended) setImmediate(() => this.end());
  }

  /** @returns Whether it may be served; if not, it has been ended. */
  async #admit(admit: Admit): Promise<boolean> {
    const { socket } = this;
    const touch = () => socket.touch();
    const admission = await admit(socket.wire, socket.signal, touch);
    if ("rejected" in admission) {
      this.#identify(admission.client);
      this.#reject(admission.rejected, admission.detail);
      return false;
    }
    if ("ended" in admission) {
      this.end();
      return false;
    }
    this.#leave = admission.leave;
    if (this.#ended) admission.leave();
    this.#identify(admission.client);
    socket.wire = admission.wire;
    return !this.#ended;
  }

  /** Keeps the client's address where it is not the peer's. */
  #identify(client: Address): void {
    if (this.service.settings.proxy.length === 0) return;
    if (showAddress(client) !== showAddress(this.peer)) this.#client = client;
  }

  #reject(reason: RejectReason, detail: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.socket.close();
    this.service.counters.reject(reason);
    const event: RejectedEvent = {
      type: "rejected",
      listener: this.service.name,
      remoteAddr: this.client,
      reason,
      detail,
    };
    if (this.#client) event.peerAddr = this.peer;
    this.#onEnd(this, event);
  }

  /** Says who answers, in a line of JSON that is not counted as echo. */
  async #greet(): Promise<void> {
    const { service, number } = this;
    const line = JSON.stringify({
      name: service.server,
      listener: service.name,
      peer: showAddress(this.peer),
      client: showAddress(this.client),
      connection: number,
    });
    let rest = new TextEncoder().encode(line + "\n");
    while (rest.length > 0) {
      rest = rest.subarray(await this.socket.wire.write(rest));
    }
  }
}

function endingOf(
  reason: Verdict | undefined,
  failure?: { error: unknown },
): Ending {
  if (reason) return reason;
  if (!failure) return "closed";
  return isNetworkError(failure.error) ? "reset" : "failed";
}
