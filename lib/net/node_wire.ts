/**
 * A connection that `Deno.listen` accepted, as the handle that Node's sockets
 * stand on.
 *
 * A `net.Server` of Deno 2.9 accepts all that the kernel has, wanted or not,
 * and falls silent for good once descriptors run out (`uv_compat/tcp.rs` stops
 * at the first error and tells nobody). So Deno accepts, and lends to Node. Both
 * hold a descriptor of the same socket: when Deno closes its own, the socket
 * sends FIN, so it is kept as long as Node's.
 *
 * This rests on two things that no document promises: the symbol under which
 * Deno keeps a connection's number, and `openFromRid` of its TCP handle.
 *
 * @module
 */

import { Socket } from "node:net";
import process from "node:process";

/** The parts of Node's TCP handle that are used here. */
export interface TcpHandle {
  /** Reads on. */
  readStart(): number;
  /** Asks the kernel for nothing more until `readStart`. */
  readStop(): number;
  /** Lets what is under way keep the process alive. */
  ref(): void;
  /** Frees the descriptor. */
  close(): void;
}

interface DenoTcpHandle extends TcpHandle {
  /** Takes a second descriptor of a connection of Deno; 0 if it got one. */
  openFromRid?(resource: number): number;
}

interface Binding {
  readonly TCP: {
    new (type: number): DenoTcpHandle;
    readonly prototype: DenoTcpHandle;
  };
}

/** `TCP.SOCKET` of Node's `tcp_wrap`. */
const SOCKET = 0;

const { TCP } = (process as unknown as { binding(name: string): Binding })
  .binding(
    "tcp_wrap",
  );

/** Whether this runtime can lend a connection to Node. */
export const CAN_LEND: boolean =
  typeof TCP?.prototype.openFromRid === "function";

/**
 * Opens a second descriptor of the connection's socket.
 *
 * @throws {Error} With `code` `EMFILE`, if none is left.
 */
export function lend(conn: Deno.TcpConn): TcpHandle {
  const handle = new TCP(SOCKET);
  if (handle.openFromRid!(resourceOf(conn)) === 0) return handle;
  handle.close();
  throw Object.assign(
    new Error("Cannot serve a connection: no descriptor is left"),
    { code: "EMFILE" },
  );
}

/** Node's socket over the handle. It reads nothing until it is resumed. */
export function socketOver(handle: TcpHandle): Socket {
  return new Socket(
    { handle, allowHalfOpen: true, pauseOnCreate: true } as object,
  );
}

/** Deno's number for the connection, which it keeps under a symbol. */
function resourceOf(conn: Deno.TcpConn): number {
  const symbol = Object.getOwnPropertySymbols(conn)
    .find(({ description }) => description === "Deno.internal.rid");
  if (!symbol) {
    throw new Deno.errors.NotSupported(
      `Cannot serve TLS: Deno ${Deno.version.deno} does not lend connections`,
    );
  }
  return (conn as unknown as Record<symbol, number>)[symbol]!;
}
