/**
 * The drain: how a shutdown ends connections without losing a byte that had
 * arrived.
 *
 * Its one hard question is whether the kernel still holds input that arrived
 * before the signal. Rounds of the {@linkcode ReadScheduler} answer it:
 *
 * ```text
 *   round ─► reads pending through it   nothing was held: FIN,
 *     ▲                                 or, in mid-line, FIN at the next LF
 *     │      reads answered in it       echo, and take part in the next round
 *     └───── when one of those reads again
 * ```
 *
 * What a client sends after the signal cannot put off the end of its own
 * connection for long, and of no other: it is read no further than what the
 * kernel can have held, and a read that leaves room counts much of that, since
 * a client in this process answers within every round. No timer decides anything
 * but the deadline.
 *
 * @module
 */

import { reads } from "../connection/read_scheduler.ts";
import type { Pulse, Socket } from "../connection/socket.ts";
import { eventLoopTurn, untilSettledOrLate } from "../util/async.ts";

const MIB = 1024 * 1024;

/**
 * Bytes that the kernel can have held for a connection at the signal, and for
 * all together: Linux's default limit of a receive buffer (`net.ipv4.tcp_rmem`)
 * is 6 MiB, and since 6.16 32 MiB, but with one for all sockets
 * (`net.ipv4.tcp_mem`) and a machine that is shared few grow as large.
 */
const KERNEL_HOLDS = { least: 8 * MIB, most: 32 * MIB, together: 128 * MIB };

/**
 * Milliseconds that connections get at the deadline to send what they hold.
 */
const DEADLINE_GRACE = 250;

/** A connection, as a drain sees it. */
export interface Draining {
  readonly socket: Socket;
  /** Whether its handler has not been called yet. */
  readonly admitting: boolean;
  /** Ends it at once. */
  end(): void;
}

/** What is drained: the connections that are open, and when there are none. */
export interface DrainOptions {
  open: Iterable<Draining> & { readonly size: number };
  pulse: Pulse;
  /** Settles when none is open. */
  emptied: Promise<void>;
  /** Seconds that they get. */
  timeout: number;
}

/** Ends all connections: settles when none is open. */
export async function drain(options: DrainOptions): Promise<void> {
  const { open, pulse, emptied, timeout } = options;
  for (const { socket } of open) socket.beginDrain(kernelHolds(open.size));
  if (timeout > 0) {
    const over = new AbortController();
    endInputs(options, over.signal);
    await untilSettledOrLate(emptied, timeout * 1000);
    over.abort();
  }
  delete pulse.onDrainRead;
  if (open.size > 0) await cutOff(options);
}

/** Bytes that the kernel can have held for each of so many connections. */
export function kernelHolds(connections: number): number {
  const { least, most, together } = KERNEL_HOLDS;
  return Math.max(least, Math.min(most, together / connections));
}

/** Ends each input once all that had arrived for it has been read. */
function endInputs({ open, pulse }: DrainOptions, over: AbortSignal): void {
  const judge = () => {
    if (over.aborted) return;
    for (const connection of open) {
      if (connection.admitting) connection.end();
      else connection.socket.endDrain();
    }
    pulse.onDrainRead = nextRound;
  };
  const nextRound = () => {
    delete pulse.onDrainRead;
    reads.round(judge);
  };
  nextRound();
}

/** Ends every connection, after a last chance to send what it holds. */
async function cutOff(
  { open, emptied, timeout }: DrainOptions,
): Promise<void> {
  for (const { socket } of open) socket.giveUp("deadline");
  // What is held reaches the kernel within a turn, if there is room for it.
  await eventLoopTurn();
  await untilSettledOrLate(emptied, timeout > 0 ? DEADLINE_GRACE : 0);
  for (const connection of open) connection.end();
}
