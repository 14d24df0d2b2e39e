/**
 * How a connection is closed so that its client loses nothing.
 *
 * @module
 */

import type { Socket } from "./socket.ts";

/**
 * Milliseconds that a client gets, after the last sign of life, to answer our
 * FIN with its own.
 */
const LINGER = 2000;

/** Bytes a second that a client reads at least. */
export const SLOWEST_READER = 10_000;

/**
 * Sends FIN, drops what comes until the client's FIN, and closes. A socket that is
 * closed over unread bytes sends RST, which can take from the client what it has
 * not read yet.
 *
 * A client that is silent gets two seconds for its FIN; more, if ours may still be
 * queued behind much that it has to read.
 *
 * @param atMost Milliseconds of silence that it gets then.
 * @throws What the wire throws.
 */
export async function linger(socket: Socket, atMost: number): Promise<void> {
  const finSent = socket.closeWrite();
  socket.endInput();
  if (!socket.ended) {
    const reading = socket.unread / SLOWEST_READER * 1000;
    const slow = socket.writeWaited ? atMost : Math.min(reading, atMost);
    const silence = new Silence(Math.max(LINGER, slow), () => socket.close());
    const ended = Promise.all([
      finSent,
      socket.dropInput(() => silence.end()),
    ]);
    try {
      // Over TLS a FIN waits for the client to read what was written.
      await Promise.race([ended, socket.untilClosed]);
    } finally {
      silence.stop();
    }
  }
  socket.close();
}

/** Tells when nothing has been heard for so long: one timer for all that is. */
class Silence {
  readonly #milliseconds: number;
  readonly #onTooLong: () => void;
  #heard = performance.now();
  #timer: ReturnType<typeof setTimeout>;

  constructor(milliseconds: number, onTooLong: () => void) {
    this.#milliseconds = milliseconds;
    this.#onTooLong = onTooLong;
    this.#timer = this.#wait(milliseconds);
  }

  /** Something has been heard. */
  end(): void {
    this.#heard = performance.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #wait(milliseconds: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      const left = this.#heard + this.#milliseconds - performance.now();
      if (left > 0) this.#timer = this.#wait(left);
      else this.#onTooLong();
    }, milliseconds);
  }
}
