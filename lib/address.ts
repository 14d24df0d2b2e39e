/**
 * An address as people write it: `127.0.0.1:1050`, `[::1]:1050`, or the path of
 * a socket.
 */
export function showAddress(addr: Deno.Addr): string {
  if ("port" in addr && "hostname" in addr) {
    return hostPort(addr.hostname, addr.port);
  }
  return "path" in addr ? addr.path : addr.transport;
}

/** `host:port`, an IPv6 address in brackets. */
export function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
