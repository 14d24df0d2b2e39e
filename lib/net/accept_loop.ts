/**
 * The iterator of accepted connections, which no client can end.
 *
 * @module
 */

import { eventLoopTurn, pause, untilSettledOrAborted } from "../util/async.ts";
import { codeOf } from "./errors.ts";

/** Milliseconds to wait for descriptors to come free. */
const SHORTAGE_PAUSE = 100;

/**
 * Milliseconds without a shortage after which the next one is another episode.
 */
const SHORTAGE_EPISODE = 1000;

/** Accepts in a row before the connections that are served get their turn. */
const ACCEPTS_PER_TURN = 8;

/**
 * The client, or the network between, has gone since it connected: accept(2)
 * says to try again.
 */
const ABORTED: ReadonlySet<string> = new Set([
  "ECONNABORTED",
  "ECONNRESET",
  "ENOTCONN",
  "EPERM",
  "EPROTO",
  "ETIMEDOUT",
  "ENETDOWN",
  "ENETUNREACH",
  "EHOSTDOWN",
  "EHOSTUNREACH",
]);

/** No descriptors or memory left, in the process or in the system. */
const SHORTAGE: ReadonlySet<string> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
]);

/** What connections are accepted from: a `Deno.Listener` of any transport. */
interface Acceptable<C> {
  accept(): Promise<C>;
}

/** When {@linkcode accept} ends, and who hears of what it survives. */
export interface AcceptOptions {
  /** Settles when one more connection may be accepted; nothing if it may now. */
  vacancy: () => Promise<void> | undefined;
  /** Ends accepting. Whoever aborts it closes the listener too. */
  signal: AbortSignal;
  /** Hears of each client that had gone before it was accepted. */
  onAborted: () => void;
  /**
   * Hears, once an episode, that there is nothing left to serve a client with,
   * and the system's code for it.
   */
  onShortage: (code: string) => void;
}

/**
 * The connections of a listener, until `signal` aborts. No client can end it,
 * unlike `for await (const conn of listener)`, which a reset before the accept
 * ends.
 *
 * A connection is accepted when the next one is asked for, and no earlier.
 *
 * @throws What `accept()` rejects with, where that is neither a client's doing
 * nor a shortage.
 */
export async function* accept<C>(
  listener: Acceptable<C>,
  options: AcceptOptions,
): AsyncGenerator<C, void> {
  const { vacancy, signal, onAborted, onShortage } = options;
  let lastShortage = -Infinity;
  let accepted = 0;
  while (!signal.aborted) {
    const room = vacancy();
    if (room) {
      await untilSettledOrAborted(room, signal);
      continue;
    }
    let connection: C;
    try {
      connection = await listener.accept();
    } catch (error) {
      if (signal.aborted) return;
      const code = codeOf(error);
      if (ABORTED.has(code)) {
        onAborted();
      } else if (SHORTAGE.has(code)) {
        const now = performance.now();
        if (now - lastShortage > SHORTAGE_EPISODE) onShortage(code);
        lastShortage = now;
        await pause(SHORTAGE_PAUSE, signal);
      } else {
        throw error;
      }
      continue;
    }
    yield connection;
    if (++accepted % ACCEPTS_PER_TURN === 0) await eventLoopTurn();
  }
}
