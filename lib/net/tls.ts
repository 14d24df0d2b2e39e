/**
 * TLS over connections that Deno accepts. Loaded only when a listener asks for
 * it.
 *
 *     TcpConn ─► ciphertext ─► TlsEngine ─► plaintext
 *     TcpConn ◄─ ciphertext ◄─ TlsEngine ◄─ plaintext
 *
 * @module
 */

import { checkCertificate } from "./certificate.ts";
import { listenTcp, type TcpListener, type TcpListenOptions } from "./tcp.ts";
import { CAN_SERVE_TLS, type Identity, TlsEngine } from "./tls_engine.ts";
import type { Listener, RawWire, Wire } from "./transport.ts";

/** Where to listen, and with which certificate. */
export interface TlsOptions extends TcpListenOptions, Identity {}

/**
 * Listens for TLS clients. What it accepts has a `handshake`.
 *
 * @throws {Deno.errors.NotSupported} If this runtime cannot serve TLS.
 * @throws {Deno.errors.InvalidData} If the certificate cannot be used.
 * @throws What {@linkcode listenTcp} throws.
 */
export function listenTls(options: TlsOptions): Listener {
  if (!CAN_SERVE_TLS) {
    throw new Deno.errors.NotSupported(
      `Cannot serve TLS: Deno 2.9 can, this is ${Deno.version.deno}`,
    );
  }
  checkCertificate(options.cert, options.key);
  return new TlsListener(listenTcp(options, "tls://"), options);
}

class TlsListener implements Listener {
  readonly #listener: TcpListener;
  readonly #identity: Identity;

  constructor(listener: TcpListener, identity: Identity) {
    this.#listener = listener;
    this.#identity = identity;
  }

  get addr(): Deno.NetAddr {
    return this.#listener.addr;
  }

  async accept(): Promise<RawWire> {
    return new RawTlsWire(await this.#listener.accept(), this.#identity);
  }

  close(): void {
    this.#listener.close();
  }
}

/** A connection before its handshake: what is read are the raw bytes. */
class RawTlsWire implements RawWire {
  readonly remoteAddr: Deno.Addr;
  readonly #conn: Deno.TcpConn;
  readonly #identity: Identity;
  #secured: TlsWire | undefined;
  #closed = false;

  constructor(conn: Deno.TcpConn, identity: Identity) {
    this.remoteAddr = conn.remoteAddr;
    this.#conn = conn;
    this.#identity = identity;
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
    this.#secured = new TlsWire(this.#conn, this.#identity);
    await this.#secured.handshake(readAhead);
    return this.#secured;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#secured) this.#secured.close();
    else this.#conn.close();
  }
}

/**
 * Bytes of one write: so much is encrypted at once, and a client that takes it
 * slowly is seen to take it.
 */
const MAX_WRITE = 64 * 1024;

/** Bytes of ciphertext that a read has room for, at first and at most. */
const FIRST_ROOM = 1024;
const MOST_ROOM = 64 * 1024;

/**
 * Bytes of ciphertext that may come in a row without plaintext: a handshake takes
 * less, and so does a record. A client may announce a longer message, of which
 * the engine would keep all bytes and report no error.
 */
const MOST_WITHOUT_PLAINTEXT = 128 * 1024;

const NOTHING = new Uint8Array(0);

/**
 * The payload of a TLS connection, pulled: the kernel is asked for ciphertext
 * only while no plaintext is held here.
 */
class TlsWire implements Wire {
  readonly remoteAddr: Deno.Addr;
  readonly #conn: Deno.TcpConn;
  readonly #engine: TlsEngine;
  /** Where ciphertext is read to. */
  #room = new Uint8Array(FIRST_ROOM);
  /** Where plaintext goes to, and how much has. */
  #into: Uint8Array = NOTHING;
  #filled = 0;
  /** Bytes of ciphertext that came since the last plaintext. */
  #withoutPlaintext = 0;
  /** Plaintext that found no room there. */
  readonly #held: Uint8Array[] = [];
  /** The last write of ciphertext. */
  #sending: Promise<number> | undefined;
  /** Whether the client has sent FIN. */
  #finished = false;
  #closed = false;

  constructor(conn: Deno.TcpConn, identity: Identity) {
    this.remoteAddr = conn.remoteAddr;
    this.#conn = conn;
    this.#engine = new TlsEngine(identity, (bytes) => this.#take(bytes));
  }

  async handshake(readAhead: Uint8Array): Promise<void> {
    this.#engine.receive(readAhead);
    if (this.#broken) await this.#refuse(this.#broken);
    while (!this.#engine.established) {
      await this.#flush(0);
      const count = await this.#receive();
      if (count === null) {
        throw reset("The client left during the TLS handshake");
      }
    }
    await this.#flush(0);
  }

  async read(into: Uint8Array): Promise<number | null> {
    this.#into = into;
    this.#filled = 0;
    this.#giveHeld();
    while (this.#filled === 0) {
      if (this.#broken) throw this.#broken;
      if (this.#finished || this.#engine.ended) return null;
      await this.#receive();
      if (this.#filled === 0) this.#reply();
    }
    this.#into = NOTHING;
    return this.#filled;
  }

  /** Resolves when the kernel has taken the first of the bytes. */
  write(bytes: Uint8Array): Promise<number> {
    const broken = this.#broken;
    if (broken) return Promise.reject(broken);
    const part = bytes.subarray(0, MAX_WRITE);
    this.#engine.send(part);
    return this.#flush(part.length);
  }

  /** Sends close_notify and FIN. */
  async closeWrite(): Promise<void> {
    if (this.#broken) throw this.#broken;
    this.#engine.end();
    await this.#flush(0);
    await this.#conn.closeWrite();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#conn.close();
    this.#engine.close();
  }

  /** Why nothing more can be received or sent, if so. */
  get #broken(): Error | undefined {
    if (this.#closed) return closedByUs();
    if (this.#withoutPlaintext > MOST_WITHOUT_PLAINTEXT) {
      return reset("The client broke TLS: a message without end");
    }
    const { error, established } = this.#engine;
    if (!error || !established) return error;
    return reset(`The client broke TLS: ${error.message}`);
  }

  /** Reads ciphertext once and has it decrypted: how much, or null at FIN. */
  async #receive(): Promise<number | null> {
    const room = this.#room;
    const count = await this.#conn.read(room);
    if (count === null) {
      this.#finished = true;
      return null;
    }
    this.#withoutPlaintext += count;
    this.#engine.receive(room.subarray(0, count));
    if (count === room.length && count < MOST_ROOM) {
      this.#room = new Uint8Array(2 * count);
    }
    if (this.#broken) await this.#refuse(this.#broken);
    return count;
  }

  /** Sends the alert that names the error, and throws it. */
  async #refuse(error: Error): Promise<never> {
    const alert = this.#flush(0).catch(() => {});
    // Later, a client that does not read could keep its connection by this.
    if (!this.#engine.established) await alert;
    throw error;
  }

  #take(bytes: Uint8Array): void {
    this.#withoutPlaintext = 0;
    const space = this.#into.length - this.#filled;
    if (bytes.length <= space) {
      this.#into.set(bytes, this.#filled);
      this.#filled += bytes.length;
    } else {
      this.#into.set(bytes.subarray(0, space), this.#filled);
      this.#filled += space;
      this.#held.push(bytes.slice(space));
    }
  }

  #giveHeld(): void {
    while (this.#held.length > 0 && this.#filled < this.#into.length) {
      const bytes = this.#held[0]!;
      const part = bytes.subarray(0, this.#into.length - this.#filled);
      this.#into.set(part, this.#filled);
      this.#filled += part.length;
      if (part.length === bytes.length) this.#held.shift();
      else this.#held[0] = bytes.subarray(part.length);
    }
  }

  /**
   * Sends all ciphertext that there is, behind what is being sent.
   *
   * @returns `count`, when the kernel has taken it.
   */
  #flush(
    count: number,
    ciphertext = this.#engine.output(),
  ): Promise<number> {
    return this.#sending = this.#send(ciphertext, count, this.#sending);
  }

  /** Sends what TLS itself has to say: that it will not renegotiate. */
  #reply(): void {
    const ciphertext = this.#engine.output();
    if (ciphertext.length === 0) return;
    // If that fails, so does the next write.
    this.#flush(0, ciphertext).catch(() => {});
  }

  async #send(
    bytes: Uint8Array,
    count: number,
    before: Promise<unknown> | undefined,
  ): Promise<number> {
    await before;
    while (bytes.length > 0) {
      bytes = bytes.subarray(await this.#conn.write(bytes));
    }
    return count;
  }
}

function reset(message: string): Error {
  return Object.assign(new Deno.errors.ConnectionReset(message), {
    code: "ECONNRESET",
  });
}

function closedByUs(): Error {
  return new Deno.errors.BadResource("The connection is closed");
}
