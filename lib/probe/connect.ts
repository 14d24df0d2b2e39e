/**
 * Opens connections to what is probed.
 *
 * @module
 */

import { listenerName } from "../net/address.ts";
import { reasonOf } from "../util/text.ts";
import type { Target } from "./options.ts";
import type { ProbeErrors } from "./tally.ts";
import type { ProbeWire, Trust } from "./wire.ts";

/**
 * Opens a stream connection.
 *
 * @param target Where to; not UDP.
 * @param trust Which certificates, with TLS.
 * @param signal Gives up.
 * @throws {Error} What the runtime throws.
 */
export async function connect(
  target: Target,
  trust: Trust,
  signal: AbortSignal,
): Promise<ProbeWire> {
  const { transport, hostname, port } = target;
  if (transport === "tls") {
    // Costs start-up, so it is loaded for TLS only.
    const { connectTls } = await import("./tls_wire.ts");
    return await connectTls(target, trust, signal);
  }
  if (transport === "unix") {
    const path = target.path.replace(/^@/, "\0");
    return await Deno.connect({ transport: "unix", path });
  }
  const conn = await Deno.connect({ hostname, port, signal });
  // Nagle's algorithm would hold a line back until the last answer.
  conn.setNoDelay(true);
  return conn;
}

/** An address as people write it. */
export function showTarget(
  { transport, hostname, port, path }: Target,
): string {
  const address = { hostname, port, ...transport === "unix" && { path } };
  return listenerName(transport, address);
}

/** How the system's errors are counted; all others end the probe. */
const KINDS: Readonly<Record<string, keyof ProbeErrors>> = {
  ECONNREFUSED: "refused",
  // No such socket file.
  ENOENT: "refused",
  EHOSTUNREACH: "refused",
  ENETUNREACH: "refused",
  // No local port is left: closed connections hold them for a minute.
  EADDRNOTAVAIL: "refused",
  // The accept queue of a Unix socket is full.
  EAGAIN: "refused",
  ECONNABORTED: "reset",
  ECONNRESET: "reset",
  ENOTCONN: "reset",
  EPIPE: "reset",
  ETIMEDOUT: "timeout",
};

/** How an error is counted; undefined if there is no use in going on. */
export function kindOf(error: unknown): keyof ProbeErrors | undefined {
  const { code = "" } = error as { code?: string };
  return KINDS[code];
}

/** Says why a connection was refused. */
export function refusalOf({ path }: Target, error: unknown): string {
  const { code = "" } = error as { code?: string };
  return code === "ENOENT" ? `there is no socket ${path}` : causeOf(error);
}

/** Says why there can be no connection. */
export function cannotConnect(target: Target, error: unknown): Error {
  const reason = causeOf(error);
  return new Error(`Cannot connect to ${showTarget(target)}: ${reason}`, {
    cause: error,
  });
}

/** The error's text, without what only a programmer understands. */
export function causeOf(error: unknown): string {
  const { code = "" } = error as { code?: string };
  if (error instanceof Deno.errors.NotCapable) {
    return reasonOf(error).replace(/^R/, "r");
  }
  if (code === "EMFILE" || code === "ENFILE") {
    return 'out of file descriptors, raise "ulimit -n"';
  }
  if (error instanceof URIError) return "the host is not a valid name";
  if (code === "ENOTFOUND") return "the name does not resolve";
  return reasonOf(error)
    .replace(/^failed to lookup address information: .*/, () => {
      return "the name does not resolve";
    })
    .replace(/ \(os error \d+\)$/, "");
}
