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
   * What the client sends. It ends with the client's FIN, and when the server
   * shuts down: then once all that had arrived has been given out (in line
   * mode, once a line that is under way has been finished).
   */
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** What the client gets. Closing it sends FIN; reading goes on. */
  readonly writable: WritableStream<Uint8Array>;
  /** The client's address; behind a PROXY header, the one that it names. */
  readonly remoteAddr: Address;
  /** The address at the other end of the socket: the client's or a proxy's. */
  readonly peerAddr: Address;
  /**
   * Aborts when the server gives the connection up: at the deadline of a
   * shutdown, or after the idle time-out. `readable` ends then too. It does not
   * abort when the client goes: then `readable` ends, or fails with
   * `Deno.errors.ConnectionReset`. It may have aborted before a listener is
   * added; and if a listener throws, nobody can catch that and the process ends.
   */
  readonly signal: AbortSignal;
}

/**
 * Serves a connection until its promise settles; then the connection is closed,
 * whatever was left open. If the promise rejects, that ends this connection and
 * no other.
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
