/**
 * TLS: Node's `TLSSocket` over connections that Deno accepts. Loaded only when
 * a listener asks for it.
 *
 *     Deno.listen → TcpConn ─┬─ raw reads, FIN and reset
 *                            └─ TcpHandle → TLSSocket → TlsWire
 *
 * @module
 */

import { Buffer } from "node:buffer";
import {
  createSecureContext,
  TLSSocket,
  type TLSSocketOptions,
} from "node:tls";
import { checkCertificate } from "./certificate.ts";
import { CAN_LEND, lend, socketOver, type TcpHandle } from "./node_wire.ts";
import { listenTcp, type TcpListener, type TcpListenOptions } from "./tcp.ts";
import type { Listener, RawWire, Wire } from "./transport.ts";

/** Where to listen, and who to be. */
export interface TlsOptions extends TcpListenOptions {
  /** The certificate chain, PEM. */
  cert: string;
  /** Its private key, PEM. */
  key: string;
  /** Protocols to agree on, the most wanted first. @default {[]} */
  alpn?: readonly string[];
}

/**
 * Listens for TLS clients. What it accepts has a `handshake`.
 *
 * @throws {Deno.errors.NotSupported} If this runtime cannot serve TLS.
 * @throws {Deno.errors.InvalidData} If the certificate cannot be used.
 * @throws What {@linkcode listenTcp} throws.
 */
export function listenTls(options: TlsOptions): Listener {
  if (!CAN_LEND) {
    throw new Deno.errors.NotSupported(
      `Cannot serve TLS: Deno 2.9 can, this is ${Deno.version.deno}`,
    );
  }
  const { cert, key, alpn = [] } = options;
  checkCertificate(cert, key);
  return new TlsListener(listenTcp(options, "tls://"), {
    isServer: true,
    secureContext: createSecureContext({ cert, key }),
    ...alpn.length > 0 && { ALPNProtocols: [...alpn] },
  });
}

class TlsListener implements Listener {
  readonly #listener: TcpListener;
  readonly #options: TLSSocketOptions;
  /** Accepted when there was no second descriptor for it. */
  #waiting: Deno.TcpConn | undefined;

  constructor(listener: TcpListener, options: TLSSocketOptions) {
    this.#listener = listener;
    this.#options = options;
  }

  get addr(): Deno.NetAddr {
    return this.#listener.addr;
  }

  async accept(): Promise<RawWire> {
    this.#waiting ??= await this.#listener.accept();
    const conn = this.#waiting;
    const handle = lend(conn);
    this.#waiting = undefined;
    return new RawTlsWire(conn, handle, this.#options);
  }

  close(): void {
    this.#listener.close();
    this.#waiting?.close();
    this.#waiting = undefined;
  }
}

/** A connection before its handshake: what is read are the raw bytes. */
class RawTlsWire implements RawWire {
  readonly remoteAddr: Deno.Addr;
  readonly #conn: Deno.TcpConn;
  readonly #handle: TcpHandle;
  readonly #options: TLSSocketOptions;
  #secured: TlsWire | undefined;
  #closed = false;

  constructor(
    conn: Deno.TcpConn,
    handle: TcpHandle,
    options: TLSSocketOptions,
  ) {
    this.remoteAddr = conn.remoteAddr;
    this.#conn = conn;
    this.#handle = handle;
    this.#options = options;
  }

  read(into: Uint8Array): Promise<number | null> {
    return this.#conn.read(into);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#conn.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#conn.closeWrite();
  }

  /**
   * @throws {Error} Why there is no TLS; `code` is the system's (`ECONNRESET` if
   * the client left), or OpenSSL's name for it (`ERR_SSL_…`). The wire must be
   * closed then.
   */
  async handshake(readAhead: Uint8Array): Promise<Wire> {
    if (this.#closed) throw closedByUs();
    const socket = socketOver(this.#handle);
    if (readAhead.length > 0) socket.unshift(Buffer.from(readAhead));
    const tls = new TLSSocket(socket, this.#options);
    this.#secured = new TlsWire(this.#conn, this.#handle, tls);
    await this.#secured.handshake;
    return this.#secured;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#secured) return this.#secured.close();
    this.#handle.close();
    this.#conn.close();
  }
}

/**
 * Bytes of one write: so much is copied and encrypted at once, and a client that
 * takes it slowly is seen to take it.
 */
const MAX_WRITE = 64 * 1024;

/** A read that waits for bytes. */
interface PendingRead {
  into: Uint8Array;
  resolve(count: number | null): void;
  reject(error: Error): void;
}

/**
 * The payload of a TLS connection, pulled: Node's socket is read from the kernel
 * only while nothing of it is held here.
 */
class TlsWire implements Wire {
  readonly remoteAddr: Deno.Addr;
  /** Settles when the handshake has ended. */
  readonly handshake: Promise<void>;
  readonly #conn: Deno.TcpConn;
  readonly #handle: TcpHandle;
  readonly #socket: TLSSocket;
  /** Decrypted, and not read yet: what came of one read of the socket. */
  readonly #held: Uint8Array[] = [];
  #paused = false;
  #ended = false;
  #closed = false;
  #failure: Error | undefined;
  readonly #handshake = Promise.withResolvers<void>();
  #reader: PendingRead | undefined;
  #rejectWrite: ((error: Error) => void) | undefined;
  #writeClosed: Promise<void> | undefined;

  constructor(conn: Deno.TcpConn, handle: TcpHandle, socket: TLSSocket) {
    this.remoteAddr = conn.remoteAddr;
    this.#conn = conn;
    this.#handle = handle;
    this.#socket = socket;
    this.handshake = this.#handshake.promise;
    socket.once("secure", () => this.#secure());
    socket.on("data", (bytes: Uint8Array) => this.#take(bytes));
    socket.on("end", () => this.#end());
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#ended || this.#fail(closedByUs()));
  }

  read(into: Uint8Array): Promise<number | null> {
    if (this.#held.length > 0) return Promise.resolve(this.#give(into));
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      this.#reader = { into, resolve, reject };
      if (this.#paused) {
        this.#paused = false;
        this.#handle.readStart();
      }
    });
  }

  /** Resolves when the kernel has taken the first of the bytes. */
  write(bytes: Uint8Array): Promise<number> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (bytes.length === 0) return Promise.resolve(0);
    const part = bytes.subarray(0, MAX_WRITE);
    return new Promise((resolve, reject) => {
      this.#rejectWrite = reject;
      this.#socket.write(part, (error) => {
        this.#rejectWrite = undefined;
        if (error) reject(error);
        else resolve(part.length);
      });
    });
  }

  /** Sends close_notify and FIN. */
  closeWrite(): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    return this.#writeClosed ??= new Promise((resolve, reject) => {
      this.#socket.end((error?: Error | null) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#fail(closedByUs());
    this.#socket.destroy();
    this.#conn.close();
  }

  #secure(): void {
    this.#handshake.resolve();
    // Node fails a socket whose records are broken only for a `tls.Server`.
    this.#socket.once("_tlsError", ({ message }: Error) => {
      this.#fail(reset(`The client broke TLS: ${message}`));
    });
  }

  #take(bytes: Uint8Array): void {
    this.#held.push(bytes);
    const reader = this.#reader;
    this.#reader = undefined;
    reader?.resolve(this.#give(reader.into));
    if (this.#held.length > 0) this.#pause();
  }

  /**
   * Stops reading from the kernel. Node's own pause goes on reading TLS records
   * in Deno 2.9, without a bound.
   */
  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#handle.readStop();
  }

  #give(into: Uint8Array): number {
    let given = 0;
    while (given < into.length && this.#held.length > 0) {
      const bytes = this.#held[0]!;
      const part = bytes.subarray(0, into.length - given);
      into.set(part, given);
      given += part.length;
      if (part.length === bytes.length) this.#held.shift();
      else this.#held[0] = bytes.subarray(part.length);
    }
    return given;
  }

  async #end(): Promise<void> {
    // Node stops counting on the handle here, yet what is written from now on
    // must keep the process alive.
    this.#handle.ref();
    this.#handshake.reject(reset("The client left during the TLS handshake"));
    if (!this.#writeClosed && await this.#wasReset()) {
      return this.#fail(reset("Connection reset by the client"));
    }
    this.#ended = true;
    this.#reader?.resolve(null);
    this.#reader = undefined;
  }

  /**
   * Whether the end of input was a reset, which the TLS socket does not tell:
   * then nothing can be sent, not even no bytes.
   */
  async #wasReset(): Promise<boolean> {
    try {
      await this.#conn.write(NOTHING);
      return false;
    } catch {
      return true;
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#handshake.reject(this.#failure);
    this.#reader?.reject(this.#failure);
    this.#reader = undefined;
    this.#rejectWrite?.(this.#failure);
    this.#rejectWrite = undefined;
  }
}

const NOTHING = new Uint8Array(0);

function reset(message: string): Error {
  return Object.assign(new Deno.errors.ConnectionReset(message), {
    code: "ECONNRESET",
  });
}

function closedByUs(): Error {
  return new Deno.errors.BadResource("The connection is closed");
}
