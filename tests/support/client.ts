/**
 * A client over a real socket.
 *
 * @module
 */

import assert from "node:assert/strict";
import net from "node:net";
import { inTime } from "./program.ts";
import { CERTIFICATE } from "./certificate.ts";
import { joined } from "./chunks.ts";

/** The bytes of a text. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** The text of bytes. */
export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Which host and port `tcp://127.0.0.1:1050` means, or another scheme's. */
export function netAddress(address: string): {
  hostname: string;
  port: number;
} {
  const [, hostname, port] = address.match(/^\w+:\/\/\[?(.+?)\]?:(\d+)$/)!;
  return { hostname: hostname!, port: Number(port) };
}

/** A connection to the server, on which every wait is guarded. */
export class Client {
  readonly #conn: Deno.Conn;

  private constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /**
   * Connects to an address as the log has it, of any transport with streams. Of
   * TLS it trusts only the certificate of {@linkcode CERTIFICATE}.
   */
  static async to(address: string): Promise<Client> {
    if (address.startsWith("unix:")) {
      const path = address.slice("unix:".length).replace(/^@/, "\0");
      return new Client(await Deno.connect({ transport: "unix", path }));
    }
    const { hostname, port } = netAddress(address);
    if (!address.startsWith("tls:")) {
      return await Client.connect(port, hostname);
    }
    const conn = await Deno.connectTls({
      hostname,
      port,
      caCerts: [CERTIFICATE],
    });
    return new Client(conn);
  }

  /** Connects. */
  static async connect(port: number, hostname = "127.0.0.1"): Promise<Client> {
    const conn = await Deno.connect({ port, hostname });
    conn.setNoDelay(true);
    return new Client(conn);
  }

  /** As the server sees it. */
  get localAddr(): Deno.NetAddr {
    // Deno's own has no prototype.
    return { ...this.#conn.localAddr as Deno.NetAddr };
  }

  /** Sends all of it. */
  async send(what: string | Uint8Array): Promise<void> {
    let rest = typeof what === "string" ? bytes(what) : what;
    while (rest.length > 0) rest = rest.subarray(await this.#conn.write(rest));
  }

  /** Receives what there is; null after the server's FIN. */
  async receive(): Promise<Uint8Array | null> {
    const buffer = new Uint8Array(64 * 1024);
    const count = await inTime(
      "bytes from the server",
      this.#conn.read(buffer),
    );
    return count === null ? null : buffer.subarray(0, count);
  }

  /** Receives so many bytes, or what came before a FIN, as text. */
  async receiveText(length: number): Promise<string> {
    const parts: Uint8Array[] = [];
    for (let received = 0; received < length;) {
      const part = await this.receive();
      if (part === null) break;
      parts.push(part);
      received += part.length;
    }
    return text(joined(parts));
  }

  /** Sends a text and receives as much. */
  async echo(what: string): Promise<string> {
    await this.send(what);
    return await this.receiveText(bytes(what).length);
  }

  /** Receives all until the server's FIN. */
  async receiveAll(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (let part; (part = await this.receive()) !== null;) parts.push(part);
    return joined(parts);
  }

  /** Sends FIN. */
  async closeWrite(): Promise<void> {
    await this.#conn.closeWrite();
  }

  /** Closes. */
  close(): void {
    try {
      this.#conn.close();
    } catch {
      // It is closed.
    }
  }

  /** Closes, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Connects a client of which the server holds part of a line, "half", as it
 * surely does once the line before has come back.
 */
export async function midLine({ port }: { port: number }): Promise<Client> {
  const client = await Client.connect(port);
  await client.send("whole\nhalf");
  assert.equal(await client.receiveText(6), "whole\n");
  return client;
}

/** Connects so many clients at once. */
export function connectAll(port: number, count: number): Promise<Client[]> {
  return Promise.all(
    Array.from({ length: count }, () => Client.connect(port)),
  );
}

/**
 * Connects, sends and resets. Settles when the socket is gone.
 *
 * @param port Where to.
 * @param what What is sent.
 * @param echoed How many bytes of it must have come back before the reset; by
 * default no echo is read.
 */
export async function reset(
  port: number,
  what: string | Uint8Array = "",
  echoed = 0,
): Promise<void> {
  const resetNow = await resettable(port, what, echoed);
  await resetNow();
}

/**
 * Connects, sends, and waits until so many bytes have come back.
 *
 * @returns Resets the connection. Settles when the socket is gone.
 */
export async function resettable(
  port: number,
  what: string | Uint8Array,
  echoed: number,
): Promise<() => Promise<void>> {
  const ready = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const socket = net.connect(port, "127.0.0.1", () => {
    if (what.length === 0) ready.resolve();
    else socket.write(what, () => echoed === 0 && ready.resolve());
  });
  let received = 0;
  if (echoed > 0) {
    socket.on("data", ({ length }) => {
      received += length;
      if (received >= echoed) ready.resolve();
    });
  }
  socket.on("error", () => {});
  socket.on("close", () => {
    ready.resolve();
    gone.resolve();
  });
  await ready.promise;
  return () => {
    socket.resetAndDestroy();
    return gone.promise;
  };
}
