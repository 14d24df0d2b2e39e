/**
 * The seam between the server and its transports.
 *
 * @module
 */

/** What carries the bytes of a listener. */
export type Transport = "tcp" | "tls" | "udp" | "unix";

/** A stream connection; every `Deno.Conn` is one as it is. */
export interface Wire {
  /** The peer's address. */
  readonly remoteAddr: Deno.Addr;
  /**
   * Reads what there is, at least one byte, to the front of `into`: how many
   * bytes, or null at the end of input. One read at a time.
   */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes from the front of `bytes`: how many bytes were taken. */
  write(bytes: Uint8Array): Promise<number>;
  /** Sends FIN; reading goes on. */
  closeWrite(): Promise<void>;
  /** Closes at once and frees the file descriptor. */
  close(): void;
}

/** What `accept()` gives, at once, before anything has been read. */
export interface RawWire extends Wire {
  /**
   * What must precede the first byte of payload, for instance a TLS handshake.
   *
   * @param readAhead Bytes that have been read from the wire already and belong
   * to the handshake.
   */
  handshake?(readAhead: Uint8Array): Promise<Wire>;
}

/** Where connections come from. */
export interface Listener {
  /** Where it listens, with the real port. */
  readonly addr: Deno.Addr;
  /** Accepts one connection, without waiting for any of its bytes. */
  accept(): Promise<RawWire>;
  /** Stops listening; a pending `accept()` rejects. */
  close(): void;
}
