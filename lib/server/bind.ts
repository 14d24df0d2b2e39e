/**
 * From what to listen on to sockets that are bound: all of them, or none.
 *
 * @module
 */

import {
  type Address,
  listenerName,
  parseIp,
  toAddress,
} from "../net/address.ts";
import { listenTcp } from "../net/tcp.ts";
import type { Listener } from "../net/transport.ts";
import type { ListenerSettings, Settings } from "../options/options.ts";

/** A listener, or a UDP socket, that is bound. */
export interface Bound {
  /** Its settings, with the address and port that it was given. */
  readonly settings: ListenerSettings;
  readonly addr: Address;
  /** With its scheme, as in metrics: `tcp://127.0.0.1:1050`. */
  readonly name: string;
  /** Where connections come from, or datagrams. */
  readonly socket: Listener | Deno.DatagramConn;
}

/** Times that a free port is looked for that is free on all addresses. */
const PORT_TRIES = 16;

/**
 * Binds everything that is to be listened on, in its order.
 *
 * @param reusePort Whether TCP ports are shared with other threads.
 * @throws {Error} Why one of them cannot be bound; then none is.
 */
export async function bindAll(
  settings: Settings,
  reusePort = false,
): Promise<Bound[]> {
  const bound: Bound[] = [];
  try {
    for (const listener of settings.listeners) {
      bound.push(...await bindOne(listener, settings, reusePort));
    }
    return bound;
  } catch (error) {
    for (const { socket } of bound) socket.close();
    throw error;
  }
}

/** Binds one listener; a name may mean several addresses. */
async function bindOne(
  listener: ListenerSettings,
  settings: Settings,
  reusePort: boolean,
): Promise<Bound[]> {
  const bind = (host: string, port: number) =>
    bindAddress({ ...listener, host, port }, settings, reusePort);
  if (listener.transport === "unix" || parseIp(listener.host)) {
    return [await orFallback(listener, settings, bind)];
  }
  const hosts = await addressesOf(listener.host);
  for (let tries = listener.port === 0 ? PORT_TRIES : 1;; tries--) {
    try {
      return await bindEach(hosts, listener.port, bind);
    } catch (error) {
      const taken = error instanceof Deno.errors.AddrInUse;
      if (!taken || tries === 1) throw error;
    }
  }
}

/** Binds every address on one port; those that this machine lacks are left out. */
async function bindEach(
  hosts: string[],
  port: number,
  bind: (host: string, port: number) => Promise<Bound>,
): Promise<Bound[]> {
  const bound: Bound[] = [];
  let missing: unknown;
  try {
    for (const host of hosts) {
      try {
        bound.push(await bind(host, bound[0]?.addr.port ?? port));
      } catch (error) {
        if (!isMissing(error)) throw error;
        missing = error;
      }
    }
    if (bound.length === 0) throw missing;
    return bound;
  } catch (error) {
    for (const { socket } of bound) socket.close();
    throw error;
  }
}

/** Where the system has no IPv6, `::` becomes `0.0.0.0`. */
async function orFallback(
  { host, port }: ListenerSettings,
  { onEvent }: Settings,
  bind: (host: string, port: number) => Promise<Bound>,
): Promise<Bound> {
  try {
    return await bind(host, port);
  } catch (error) {
    if (host !== "::" || !isMissing(error)) throw error;
    const bound = await bind("0.0.0.0", port);
    onEvent({ type: "fallback", host, instead: "0.0.0.0" });
    return bound;
  }
}

async function bindAddress(
  settings: ListenerSettings,
  { backlog, tlsCert, tlsKey }: Settings,
  reusePort: boolean,
): Promise<Bound> {
  const { transport, host, port, path, alpn } = settings;
  let socket: Listener | Deno.DatagramConn;
  switch (transport) {
    case "tcp":
      socket = listenTcp({ host, port, backlog, reusePort });
      break;
    case "tls": {
      const { listenTls } = await import("../net/tls.ts");
      const [cert, key] = [tlsCert!, tlsKey!];
      socket = listenTls({ host, port, backlog, reusePort, cert, key, alpn });
      break;
    }
    case "unix": {
      const { listenUnix } = await import("../net/unix.ts");
      socket = await listenUnix(path);
      break;
    }
    case "udp": {
      const { bindUdp } = await import("../net/udp.ts");
      socket = await bindUdp(host, port);
    }
  }
  const addr = toAddress(socket.addr);
  return {
    settings: { ...settings, host: addr.hostname || host, port: addr.port },
    addr,
    name: listenerName(transport, addr),
    socket,
  };
}

/** The addresses that a name means; itself where that may not be asked. */
async function addressesOf(host: string): Promise<string[]> {
  try {
    const { lookup } = await import("node:dns/promises");
    const found = await lookup(host, { all: true });
    return [...new Set(found.map(({ address }) => address))];
  } catch {
    return [host];
  }
}

/** Whether this machine does not have an address of the kind. */
function isMissing(error: unknown): boolean {
  const { code } = error as { code?: string };
  return code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL" ||
    error instanceof Deno.errors.AddrNotAvailable;
}
