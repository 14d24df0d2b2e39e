/**
 * Why the admin server cannot listen, in one line.
 *
 * @module
 */

import { showAddress } from "../net/address.ts";

/** Names the address, the cause and the cure in an error of `Deno.serve`. */
export function explain(
  error: unknown,
  address: { hostname: string; port: number },
): void {
  if (!(error instanceof Error)) return;
  const cause = causeOf(error, address.port);
  error.message = `Cannot listen on ${showAddress(address)} (admin): ${cause}`;
}

function causeOf(error: Error, port: number): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the port is already in use";
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return "the address is not one of this machine";
  }
  if (error instanceof Deno.errors.NotCapable) {
    return "permission missing, run again with --allow-net";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "permission denied" +
      (port > 0 && port < 1024
        ? ", a port below 1024 needs CAP_NET_BIND_SERVICE"
        : "");
  }
  return error.message;
}
