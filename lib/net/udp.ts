/**
 * UDP sockets, and who is never answered.
 *
 * @module
 */

import { showAddress, toAddress } from "./address.ts";
import { bindError } from "./bind_error.ts";

/** The largest datagram, in bytes: what UDP over IPv4 can carry and more. */
export const MAX_DATAGRAM = 65_535;

/**
 * Ports of services that answer whatever they get: echo, daytime, quote of the
 * day, chargen, time, domain, NTP. To answer one, with a forged source address
 * to begin with, would start an endless exchange (CERT advisory CA-1996-01).
 */
const ANSWERING_PORTS: ReadonlySet<number> = new Set([
  7,
  13,
  17,
  19,
  37,
  53,
  123,
]);

/**
 * Binds a UDP socket.
 *
 * @throws {Deno.errors.NotCapable} If `--allow-net` is missing or restricted:
 * an answer goes to whoever asks.
 * @throws {Error} What `Deno.listenDatagram` throws, of the same class; the
 * message names the address, the cause and the cure.
 */
export async function bindUdp(
  host: string,
  port: number,
): Promise<Deno.DatagramConn> {
  const address = `udp://${showAddress({ hostname: host, port })}`;
  const { state } = await Deno.permissions.query({ name: "net" });
  if (state !== "granted") {
    throw new Deno.errors.NotCapable(
      `Cannot listen on ${address}: permission missing, ` +
        "run again with --allow-net for all addresses",
    );
  }
  if (!("listenDatagram" in Deno)) {
    throw new Deno.errors.NotSupported(
      `Cannot listen on ${address}: run again with --unstable-net`,
    );
  }
  try {
    return Deno.listenDatagram({ transport: "udp", hostname: host, port });
  } catch (error) {
    throw bindError(error, address, port);
  }
}

/**
 * Whether a datagram from `source` may be answered: not if it came from a
 * service that answers by itself, from the socket itself, or from a broadcast or
 * multicast address.
 */
export function isAnswerable(
  source: Deno.NetAddr,
  self: Deno.NetAddr,
): boolean {
  const { hostname, port } = toAddress(source);
  if (port === 0 || ANSWERING_PORTS.has(port)) return false;
  if (isBroadcast(hostname) || isMulticast(hostname)) return false;
  return port !== self.port || !mayBe(hostname, self.hostname);
}

/**
 * Whether `hostname` may be the address that is listened on. Behind a wildcard
 * that cannot be told: then whoever has our port is taken for us.
 */
function mayBe(hostname: string, listened: string): boolean {
  return listened === "0.0.0.0" || listened === "::" || hostname === listened;
}

function isBroadcast(hostname: string): boolean {
  return hostname === "255.255.255.255" || hostname === "0.0.0.0" ||
    hostname === "::";
}

function isMulticast(hostname: string): boolean {
  if (hostname.includes(":")) return /^ff/i.test(hostname);
  return Number.parseInt(hostname) >= 224;
}
