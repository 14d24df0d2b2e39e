/**
 * A client over UDP.
 *
 * @module
 */

import { bytes, netAddress, text } from "./client.ts";
import { inTime } from "./program.ts";

/** The largest datagram over IPv4, in bytes. */
export const LARGEST = 65_507;

/** A socket that talks to one server, on which every wait is guarded. */
export class UdpClient {
  readonly #socket: Deno.DatagramConn;
  readonly #server: Deno.NetAddr;

  private constructor(socket: Deno.DatagramConn, server: Deno.NetAddr) {
    this.#socket = socket;
    this.#server = server;
  }

  /** Opens one for a server's address as the log has it. */
  static to(address: string): UdpClient {
    const { hostname, port } = netAddress(address);
    const socket = Deno.listenDatagram({
      transport: "udp",
      hostname: hostname.includes(":") ? "::1" : "127.0.0.1",
      port: 0,
    });
    return new UdpClient(socket, { transport: "udp", hostname, port });
  }

  /** Sends one datagram. */
  async send(what: string | Uint8Array): Promise<void> {
    const datagram = typeof what === "string" ? bytes(what) : what;
    await this.#socket.send(datagram, this.#server);
  }

  /** Receives one datagram. */
  async receive(): Promise<Uint8Array> {
    const [datagram] = await inTime(
      "a datagram from the server",
      this.#socket.receive(new Uint8Array(LARGEST + 1)),
    );
    return datagram;
  }

  /**
   * All that has come and was not received, as texts: a datagram to itself comes
   * behind it.
   */
  async receiveAll(): Promise<string[]> {
    const own = crypto.randomUUID();
    await this.#socket.send(bytes(own), this.#socket.addr);
    const all: string[] = [];
    for (;;) {
      const datagram = text(await this.receive());
      if (datagram === own) return all;
      all.push(datagram);
    }
  }

  /** Sends one and receives one, as text. */
  async echo(what: string): Promise<string> {
    await this.send(what);
    return text(await this.receive());
  }

  /** Closes. */
  [Symbol.dispose](): void {
    this.#socket.close();
  }
}
