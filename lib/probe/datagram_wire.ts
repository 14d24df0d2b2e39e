/**
 * A UDP socket to what is probed.
 *
 * @module
 */

/** A UDP socket that sends to one address, and hears all. */
export class DatagramWire {
  /** Where it sends to. */
  readonly peer: Deno.NetAddr;
  readonly #socket: Deno.DatagramConn;

  /**
   * Opens it, on any port.
   *
   * @param peer Where to: an IP address, as the runtime writes it.
   * @throws {Error} What `Deno.listenDatagram` throws.
   */
  constructor(peer: Deno.NetAddr) {
    if (!("listenDatagram" in Deno)) {
      throw new Deno.errors.NotSupported("run again with --unstable-net");
    }
    this.peer = peer;
    const hostname = peer.hostname.includes(":") ? "::" : "0.0.0.0";
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
  }

  /** Receives a datagram from anybody. */
  receive(into: Uint8Array): Promise<[Uint8Array, Deno.NetAddr]> {
    return this.#socket.receive(into) as Promise<[Uint8Array, Deno.NetAddr]>;
  }

  /** Sends a datagram. */
  async send(datagram: Uint8Array): Promise<void> {
    await this.#socket.send(datagram, this.peer);
  }

  /** Closes it; a pending `receive()` rejects. */
  close(): void {
    this.#socket.close();
  }
}
