/**
 * Echo servers that do it wrong, to see that the probe finds out.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import net from "node:net";

/** Bytes of a line, as the probe sends them unless told otherwise. */
const SIZE = 64;

/** A client, to be answered. */
export interface Peer {
  /** Which connection of the server, from 0. */
  connection: number;
  /** Sends bytes. */
  send(bytes: Uint8Array): void;
  /** Sends FIN. */
  end(): void;
  /** Sends RST. */
  reset(): void;
}

/** Answers one line, the `number`-th of its connection from 0. */
export type Answer = (line: Uint8Array, number: number, peer: Peer) => void;

/** What may be told of the server. */
export interface MisbehavingServerOptions {
  /** Bytes of a line. */
  size?: number;
  /** Called for each connection, before its first line. */
  onConnection?: (peer: Peer) => void;
  /** Called at the client's FIN, before ours. */
  onEnd?: (peer: Peer) => void;
}

/** A TCP server on a free port of 127.0.0.1, whose answers the test makes. */
export class MisbehavingServer {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  private constructor(server: net.Server) {
    this.#server = server;
  }

  /** Starts it. */
  static async start(
    answer: Answer,
    { size = SIZE, onConnection, onEnd }: MisbehavingServerOptions = {},
  ): Promise<MisbehavingServer> {
    let connections = 0;
    // A client that has sent its FIN must get its answers all the same.
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      const peer = peerOf(socket, connections++);
      made.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", () => {});
      socket.on("close", () => made.#sockets.delete(socket));
      socket.on("end", () => {
        onEnd?.(peer);
        socket.end();
      });
      onConnection?.(peer);
      eachLine(socket, size, (line, number) => answer(line, number, peer));
    });
    const made = new MisbehavingServer(server);
    const { promise, resolve } = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", resolve);
    await promise;
    return made;
  }

  /** Where it listens. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as net.AddressInfo).port}`;
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }
}

function peerOf(socket: net.Socket, connection: number): Peer {
  return {
    connection,
    send: (bytes) => void socket.write(bytes),
    end: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
  };
}

function eachLine(
  socket: net.Socket,
  size: number,
  take: (line: Uint8Array, number: number) => void,
): void {
  let held = Buffer.alloc(0);
  let number = 0;
  socket.on("data", (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= size) {
      take(held.subarray(0, size), number++);
      held = held.subarray(size);
    }
  });
}

/** A UDP socket on 127.0.0.1 whose answers the test makes. */
export class MisbehavingSocket {
  readonly #socket: Deno.DatagramConn;
  readonly #done: Promise<void>;

  /** Starts it. */
  constructor(
    answer: (
      datagram: Uint8Array,
      number: number,
      send: (bytes: Uint8Array) => void,
    ) => void,
  ) {
    this.#socket = Deno.listenDatagram({
      transport: "udp",
      hostname: "127.0.0.1",
      port: 0,
    });
    this.#done = this.#serve(answer);
  }

  /** Where it listens. */
  get address(): string {
    return `udp://127.0.0.1:${(this.#socket.addr as Deno.NetAddr).port}`;
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await this.#done;
  }

  async #serve(
    answer: ConstructorParameters<typeof MisbehavingSocket>[0],
  ): Promise<void> {
    try {
      for (let number = 0;; number++) {
        const [datagram, peer] = await this.#socket.receive(
          new Uint8Array(65_535),
        );
        answer(datagram, number, (bytes) => {
          this.#socket.send(bytes, peer).catch(() => {});
        });
      }
    } catch {
      // It has been closed.
    }
  }
}

/** The bytes, but for one, which becomes no LF: that would be two lines. */
export function changed(bytes: Uint8Array, at: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  const byte = copy[at]!;
  copy[at] = byte ^ (byte === 0x8a ? 0x40 : 0x80);
  return copy;
}
