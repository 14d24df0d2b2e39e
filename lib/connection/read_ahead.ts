/**
 * A wire of which something has been read already.
 *
 * @module
 */

import type { Wire } from "../net/transport.ts";

/** Gives out `bytes` before what is read from `wire`. */
export function withReadAhead(wire: Wire, bytes: Uint8Array): Wire {
  return bytes.length > 0 ? new ReadAheadWire(wire, bytes) : wire;
}

class ReadAheadWire implements Wire {
  readonly #wire: Wire;
  #ahead: Uint8Array;

  constructor(wire: Wire, ahead: Uint8Array) {
    this.#wire = wire;
    this.#ahead = ahead;
  }

  get remoteAddr(): Deno.Addr {
    return this.#wire.remoteAddr;
  }

  read(into: Uint8Array): Promise<number | null> {
    if (this.#ahead.length === 0) return this.#wire.read(into);
    const part = this.#ahead.subarray(0, into.length);
    into.set(part);
    this.#ahead = this.#ahead.subarray(part.length);
    return Promise.resolve(part.length);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#wire.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#wire.closeWrite();
  }

  close(): void {
    this.#wire.close();
  }
}
