/**
 * How the errors of a probe's connections are counted, and said.
 *
 * @module
 */

import { listenerName } from "../net/address.ts";
import { codeOf } from "../net/errors.ts";
import type { Location } from "../options/location.ts";
import { plainReasonOf, reasonOf } from "../util/text.ts";
import type { ProbeErrors } from "./tally.ts";

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
  return KINDS[codeOf(error)];
}

/** Says why there can be no connection. */
export function cannotConnect(target: Location, error: unknown): Error {
  const reason = causeOf(error);
  return new Error(`Cannot connect to ${showTarget(target)}: ${reason}`, {
    cause: error,
  });
}

/** Says why a connection was refused. */
export function refusalOf({ path }: Location, error: unknown): string {
  return codeOf(error) === "ENOENT"
    ? `there is no socket ${path}`
    : causeOf(error);
}

/** The error's text, without what only a programmer understands. */
export function causeOf(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) {
    return reasonOf(error).replace(/^R/, "r");
  }
  // Node tried several addresses of a name.
  if (error instanceof AggregateError) return causeOf(error.errors[0]);
  if (error instanceof URIError) return "the host is not a valid name";
  switch (codeOf(error)) {
    case "EMFILE":
    case "ENFILE":
      return 'out of file descriptors, raise "ulimit -n"';
    case "ENOTFOUND":
      return "the name does not resolve";
  }
  return plainReasonOf(error)
    .replace(/^failed to lookup .*/, "the name does not resolve");
}

/** A target as people write it. */
export function showTarget(
  { transport, host: hostname, port, path }: Location,
): string {
  const address = { hostname, port, ...transport === "unix" && { path } };
  return listenerName(transport, address);
}
