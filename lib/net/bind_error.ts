/**
 * Why a socket cannot be bound, in one line.
 *
 * @module
 */

/**
 * Makes an error of binding name the address, the cause and, where there is one,
 * the cure.
 *
 * @param cause Instead of the cause that it has with ports.
 * @returns The same error, with another message.
 */
export function bindError(
  error: unknown,
  address: string,
  port = 0,
  cause?: string,
): unknown {
  if (error instanceof Error) {
    const why = cause ?? causeOf(error, port);
    error.message = `Cannot listen on ${address}: ${why}`;
  }
  return error;
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
  if (error instanceof URIError) return "the host is not a valid name";
  return error.message
    .replace(/^failed to lookup .*/, "the name does not resolve");
}
