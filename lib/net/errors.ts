/**
 * What an error of the network tells: its code, and whether it is the client's or
 * the network's, and not ours.
 *
 * @module
 */

/** The code of the system or of Node, such as `ECONNRESET`; empty without one. */
export function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : "";
}

/** Whether the client or the network failed: what Deno throws, or Node's. */
export function isNetworkError(error: unknown): boolean {
  if (CODES.has(codeOf(error))) return true;
  return KINDS.some((kind) => error instanceof kind);
}

const KINDS = [
  Deno.errors.BrokenPipe,
  Deno.errors.ConnectionAborted,
  Deno.errors.ConnectionRefused,
  Deno.errors.ConnectionReset,
  Deno.errors.NotConnected,
  Deno.errors.TimedOut,
];

/** What Linux reports of a lost route, an ICMP error or a peer that is gone. */
const CODES: ReadonlySet<string> = new Set([
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "ENETDOWN",
  "ENETUNREACH",
  "ENOPROTOOPT",
  "ENOTCONN",
  "EPIPE",
  "ETIMEDOUT",
]);
