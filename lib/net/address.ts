export interface Address {
  readonly transport: "tcp" | "udp" | "unix";
  readonly hostname: string;
  readonly port: number;
  readonly path?: string;
}
export function toAddress(addr: Deno.Addr): Address {
  return addr as Address;
}
/** An address as people write it: `127.0.0.1:1050` or `[::1]:1050`. */
export function showAddress(
  { hostname, port }: Pick<Deno.NetAddr, "hostname" | "port">,
): string {
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}
