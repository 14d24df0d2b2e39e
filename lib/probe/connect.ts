/**
 * Opens connections to what is probed.
 *
 * @module
 */

import { formatIp, parseIp } from "../net/address.ts";
import type { Location } from "../options/location.ts";
import { DatagramWire } from "./datagram_wire.ts";
import type { ProbeWire, Trust } from "./wire.ts";

/**
 * Opens a connection; for UDP, a socket.
 *
 * @param target Where to; for UDP as {@linkcode withAddress} gives it.
 * @param trust Which certificates, with TLS.
 * @param signal Gives up.
 * @throws {Error} What the runtime throws.
 */
export async function connect(
  target: Location,
  trust: Trust,
  signal: AbortSignal,
): Promise<ProbeWire | DatagramWire> {
  const { transport, host: hostname, port } = target;
  switch (transport) {
    case "tls": {
      // Costs start-up, so it is loaded for TLS only.
      const { connectTls } = await import("./tls_wire.ts");
      return await connectTls(target, trust, signal);
    }
    case "udp":
      return new DatagramWire({ transport, hostname, port });
    case "unix": {
      const path = target.path.replace(/^@/, "\0");
      return await Deno.connect({ transport, path });
    }
    case "tcp": {
      const conn = await Deno.connect({ hostname, port, signal });
      // Nagle's algorithm would hold a line back until the last answer.
      conn.setNoDelay(true);
      return conn;
    }
  }
}

/**
 * Gives a target of UDP by its IP address, written as the runtime writes that of
 * an answer. Any other target stays as it is.
 *
 * @throws {Error} If its name does not resolve.
 */
export async function withAddress(target: Location): Promise<Location> {
  const { transport, host } = target;
  if (transport !== "udp") return target;
  const ip = parseIp(host);
  if (ip) return { ...target, host: formatIp(ip) };
  // Costs start-up, so it is loaded for a name only.
  const { lookup } = await import("node:dns/promises");
  return { ...target, host: (await lookup(host)).address };
}
