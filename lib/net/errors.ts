/**
 * Which errors of an established connection are the network's, or the client's,
 * and not ours.
 *
 * @module
 */

/** Whether the client or the network failed: what Deno throws, or Node's. */
export function isNetworkError(error: unknown): boolean {
  if (KINDS.some((kind) => error instanceof kind)) return true;
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" && CODES.has(code);
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
