/**
 * A connection as its handler sees it.
 *
 * @module
 */

import { type Address, toAddress } from "../net/address.ts";
import { InputEnd, OutputEnd } from "./pipe.ts";
import type { Socket } from "./socket.ts";

/** A client's connection, as a {@linkcode Handler} sees it. */
export interface Connection {
  /**
   * What the client sends. It ends at the client's FIN, and when the server shuts
   * down: once all that had arrived has been read and, in line mode, a line under
   * way has been finished.
   */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What the client gets. Closing it sends FIN; reading goes on. */
  readonly writable: WritableStream<Uint8Array>;
  /** The client's address: the one that a PROXY header names, else the peer's. */
  readonly remoteAddr: Address;
  /** The address at the other end of the socket: the client's or a proxy's. */
  readonly peerAddr: Address;
  /**
   * Aborts when the server gives the connection up: at the deadline of a
   * shutdown, or after the idle timeout. `readable` ends then too. It does not
   * abort when the client goes: then `readable` ends, or fails with
   * `Deno.errors.ConnectionReset`. It may have aborted before you listen to it. An
   * exception in one of its listeners ends the process, as with any event.
   */
  readonly signal: AbortSignal;
}

/**
 * Serves a connection until its promise settles; then the connection is closed,
 * whatever was left open. If the promise rejects, that ends this connection and
 * no other: its `connection` event says `failed`, its client sees an ordinary FIN
 * behind what was sent.
 *
 * @example Everything in upper case
 * ```ts
 * import { EchoServer, type Handler } from "@echoserver/echoserver";
 *
 * const upperCase = () =>
 *   new TransformStream<string, string>({
 *     transform: (text, controller) => controller.enqueue(text.toUpperCase()),
 *   });
 * const shout: Handler = (connection) =>
 *   connection.readable
 *     .pipeThrough(new TextDecoderStream())
 *     .pipeThrough(upperCase())
 *     .pipeThrough(new TextEncoderStream())
 *     .pipeTo(connection.writable);
 *
 * await using server = await EchoServer.start({ port: 0, handler: shout });
 * ```
 */
export type Handler = (connection: Connection) => Promise<void>;

/** A socket as a pair of streams that know each other. */
export class SocketConnection implements Connection {
  readonly #socket: Socket;
  readonly #output: OutputEnd;
  readonly #input: InputEnd;
  readonly #client: Address | undefined;

  /** @param client The address that a proxy has named. */
  constructor(socket: Socket, client?: Address) {
    this.#socket = socket;
    this.#client = client;
    this.#output = new OutputEnd(socket);
    this.#input = new InputEnd(socket, this.#output);
  }

  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#input.facade;
  }

  get writable(): WritableStream<Uint8Array> {
    return this.#output.facade;
  }

  get remoteAddr(): Address {
    return this.#client ?? this.peerAddr;
  }

  get peerAddr(): Address {
    return toAddress(this.#socket.wire.remoteAddr);
  }

  get signal(): AbortSignal {
    return this.#socket.signal;
  }
}
