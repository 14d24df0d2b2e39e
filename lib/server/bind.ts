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
import { codeOf } from "../net/errors.ts";
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
  /** Its faults in words, and their seed if that was drawn. */
  readonly faults?: {
    readonly words: string;
    readonly drawnSeed: number | undefined;
  };
  /**
   * Where connections come from, or datagrams; nothing if another thread has it.
   */
  readonly socket: Listener | Deno.DatagramConn | undefined;
}

/** How several threads listen on the same addresses. */
export interface PortSharing {
  /** UDP and Unix sockets cannot be shared: the first thread has them. */
  first: boolean;
}

/** Times that a free port is looked for that is free on all addresses. */
const PORT_TRIES = 16;

/**
 * Binds everything that is to be listened on, in its order.
 *
 * @param sharing Where other threads listen on the same ports.
 * @throws {Error} Why one of them cannot be bound; then none is.
 */
export async function bindAll(
  settings: Settings,
  sharing?: PortSharing,
): Promise<Bound[]> {
  const bound: Bound[] = [];
  try {
    for (const listener of settings.listeners) {
      bound.push(...await bindOne(listener, settings, sharing));
    }
    return bound;
  } catch (error) {
    closeAll(bound);
    throw error;
  }
}

/**
 * Finds everything free that is to be listened on, and leaves it so.
 *
 * @returns The listeners with the addresses and ports that they had.
 * @throws {Error} Why one of them cannot be bound.
 */
export async function findFree(settings: Settings): Promise<Bound[]> {
  const bound = await bindAll(settings);
  closeAll(bound);
  return bound;
}

/** Tells the faults and the seeds that were drawn, then what is listened on. */
export function announce(
  bound: readonly Bound[],
  onEvent: Settings["onEvent"],
): void {
  for (const { name, faults } of bound) {
    if (!faults) continue;
    const { words, drawnSeed } = faults;
    onEvent({ type: "faults", listener: name, faults: words });
    if (drawnSeed === undefined) continue;
    onEvent({ type: "seed", listener: name, seed: drawnSeed });
  }
  for (const { addr, name } of bound) {
    onEvent({ type: "listening", addr, listener: name });
  }
}

/** Closes all that is bound here. */
export function closeAll(bound: readonly Bound[]): void {
  for (const { socket } of bound) socket?.close();
}

/** Binds one listener, and draws the seed of its faults if none is given. */
async function bindOne(
  listener: ListenerSettings,
  settings: Settings,
  sharing?: PortSharing,
): Promise<Bound[]> {
  const { faults } = listener;
  if (!faults) return await bindListener(listener, settings, sharing);
  const { describeFaults } = await import("../options/listen.ts");
  const { drawSeed } = await import("../util/random.ts");
  const drawnSeed = faults.seed === undefined ? drawSeed() : undefined;
  const seed = faults.seed ?? drawnSeed!;
  const seeded = { ...listener, faults: { ...faults, seed } };
  const bound = await bindListener(seeded, settings, sharing);
  const told = { words: describeFaults(faults), drawnSeed };
  return bound.map((one) => ({ ...one, faults: told }));
}

/** A name may mean several addresses. */
async function bindListener(
  listener: ListenerSettings,
  settings: Settings,
  sharing?: PortSharing,
): Promise<Bound[]> {
  const bind = (host: string, port: number) =>
    bindAddress({ ...listener, host, port }, settings, sharing);
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
    closeAll(bound);
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
  server: Settings,
  sharing?: PortSharing,
): Promise<Bound> {
  const { transport, host } = settings;
  const elsewhere = sharing?.first === false &&
    (transport === "udp" || transport === "unix");
  const socket = elsewhere
    ? undefined
    : await open(settings, server, sharing !== undefined);
  const addr = socket ? toAddress(socket.addr) : unopened(settings);
  return {
    settings: { ...settings, host: addr.hostname || host, port: addr.port },
    addr,
    name: listenerName(transport, addr),
    socket,
  };
}

async function open(
  { transport, host, port, path, alpn, idleTimeout }: ListenerSettings,
  { backlog, tlsCert, tlsKey }: Settings,
  reusePort: boolean,
): Promise<Listener | Deno.DatagramConn> {
  const keepAlive = idleTimeout === 0;
  switch (transport) {
    case "tcp":
      return listenTcp({ host, port, backlog, reusePort, keepAlive });
    case "tls": {
      const { listenTls } = await import("../net/tls.ts");
      const [cert, key] = [tlsCert!, tlsKey!];
      const tcp = { host, port, backlog, reusePort, keepAlive };
      return listenTls({ ...tcp, cert, key, alpn });
    }
    case "unix": {
      const { listenUnix } = await import("../net/unix.ts");
      return await listenUnix(path);
    }
    case "udp": {
      const { bindUdp } = await import("../net/udp.ts");
      return await bindUdp(host, port);
    }
  }
}

/** The address of a socket that another thread has. */
function unopened({ transport, host, port, path }: ListenerSettings): Address {
  return transport === "unix"
    ? { transport, hostname: "", port: 0, path }
    : { transport: "udp", hostname: host, port };
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
  const code = codeOf(error);
  return code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL" ||
    error instanceof Deno.errors.AddrNotAvailable;
}
