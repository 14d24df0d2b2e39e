import { showAddress } from "./address.ts";
import type { Settings } from "../options/options.ts";

/**
 * Listens; an error names the address, the cause and, where there is one, the
 * cure.
 *
 * @throws {Error} What `Deno.listen` throws, of the same class.
 */
export function listen(
  { host, port, backlog }: Pick<Settings, "host" | "port" | "backlog">,
  reusePort = false,
): Deno.TcpListener {
  const address = { hostname: host, port };
  try {
    return Deno.listen({ ...address, tcpBacklog: backlog, reusePort });
  } catch (error) {
    if (error instanceof Error) {
      const cause = causeOf(error, port);
      error.message = `Cannot listen on ${showAddress(address)}: ${cause}`;
    }
    throw error;
  }
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
