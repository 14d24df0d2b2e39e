/**
 * Which errors of an established connection are the network's, or the client's,
 * and not ours.
 *
 * @module
 */

/** Whether the client or the network failed: what Deno throws, or Node's. */
export function isNetworkError(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  if (typeof code === "string" && CODES.has(code)) return true;
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
