/**
 * What every stream transport looks like to the rest: a listener, and the wires
 * that it gives.
 *
 * @module
 */

/** How bytes travel. */
export type Transport = "tcp" | "tls" | "udp" | "unix";

/** A stream connection; a `Deno.Conn` is one as it is. */
export interface Wire {
  /** The address of the other end. */
  readonly remoteAddr: Deno.Addr;
  /** Reads some bytes; `null` at the end of input. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes some bytes, and tells how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Sends FIN. Reading goes on. */
  closeWrite(): Promise<void>;
  /**
   * Ends it at once and frees its descriptor. Reads and writes under way settle
   * or reject.
   */
  close(): void;
}

/**
 * What a listener gives, at once. Where it has a `handshake`, that comes before
 * anything is echoed.
 */
export interface RawWire extends Wire {
  /**
   * Makes the wire that carries the payload. Until then the raw bytes can be
   * read.
   *
   * @param readAhead Bytes already read that belong to the handshake.
   */
  handshake?(readAhead: Uint8Array): Promise<Wire>;
}

/** Where connections come from. */
export interface Listener {
  /** The address listened on. */
  readonly addr: Deno.Addr;
  /** The next connection. */
  accept(): Promise<RawWire>;
  /** Stops listening. */
  close(): void;
}
