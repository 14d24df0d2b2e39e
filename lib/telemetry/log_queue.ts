/**
 * Log lines on their way to a sink that may be slow, full or gone, for example
 * standard error: nobody waits for it.
 *
 * @module
 */

import { LF } from "../lines/line_feed.ts";
import { pause, untilSettledOrLate } from "../util/async.ts";
import type { ServerEvent } from "./events.ts";
import { logger, type LoggerOptions } from "./logger.ts";

/** Characters of lines that wait at most: some 10,000 lines. */
const LIMIT = 1024 * 1024;

/**
 * Bytes that go out in one write at most, unless one line is longer. A pipe
 * takes so many (PIPE_BUF, on Linux) without mixing them with what other
 * processes write to it.
 */
const BATCH = 4096;

/** Milliseconds until another try when the sink takes nothing at present. */
const RETRY_PAUSE = 20;

const NOTHING = new Uint8Array();

/** Writes some bytes, at least one, and says how many, as `Deno.stderr` does. */
export type WriteBytes = (bytes: Uint8Array) => Promise<number>;

/** Options of {@linkcode LogQueue}. */
export interface LogQueueOptions {
  /** The sink. If it rejects, all lines that wait are dropped. */
  write: WriteBytes;
  /** Called when lines were dropped, once the sink takes lines again. */
  onDropped: (lines: number) => void;
  /**
   * Characters of lines that may wait.
   *
   * @default {1048576}
   */
  limit?: number;
}

/**
 * Writes lines one after the other, as fast as the sink takes them, and holds so
 * many of them meanwhile. What does not fit is dropped, whole lines only, and
 * counted. Nothing that the sink does is an error.
 */
export class LogQueue {
  readonly #options: Required<LogQueueOptions>;
  readonly #encoder = new TextEncoder();
  readonly #buffer = new Uint8Array(BATCH);
  #lines: string[] = [];
  /** Characters of all lines that are not written yet. */
  #size = 0;
  /** The end of a line whose beginning was written when the sink failed. */
  #cut: Uint8Array = NOTHING;
  #dropped = 0;
  /** From the first line that does not fit until half of the room is free. */
  #overflowing = false;
  #writing: Promise<void> | undefined;

  /** @param options Where the lines go, and how many may wait. */
  constructor(options: LogQueueOptions) {
    this.#options = { limit: LIMIT, ...options };
  }

  /** Takes a line, without an LF, to be written soon. */
  readonly write = (line: string): void => {
    if (this.#size + line.length > this.#options.limit) {
      this.#overflowing = true;
    }
    if (this.#overflowing) {
      this.#dropped++;
      return;
    }
    this.#lines.push(line);
    this.#size += line.length;
    this.#writing ??= this.#writeLines();
  };

  /**
   * Waits until all lines are written, but not longer than so many
   * milliseconds. What is left may be written later, but keeps a program
   * waiting only if it ends other than by `Deno.exit()`.
   */
  async flush(milliseconds: number): Promise<void> {
    if (this.#writing) await untilSettledOrLate(this.#writing, milliseconds);
  }

  async #writeLines(): Promise<void> {
    try {
      await this.#writeAll(this.#cut);
      while (this.#lines.length > 0) {
        const { bytes, count } = this.#encode();
        const lines = this.#lines.splice(0, count);
        await this.#writeAll(bytes);
        for (const line of lines) this.#size -= line.length;
        this.#tellDropped();
      }
    } catch {
      // It is closed, or its disk is full. Others would meet the same.
      this.#dropped += this.#lines.length;
      this.#lines = [];
      this.#size = 0;
      this.#overflowing = false;
    }
    this.#writing = undefined;
  }

  /** As many lines as fit in a batch, or one that is longer. */
  #encode(): { bytes: Uint8Array; count: number } {
    let used = 0;
    let count = 0;
    for (const line of this.#lines) {
      const text = `${line}\n`;
      const room = this.#buffer.subarray(used);
      const { read, written } = this.#encoder.encodeInto(text, room);
      if (read < text.length) break;
      used += written;
      count++;
    }
    return count > 0
      ? { bytes: this.#buffer.subarray(0, used), count }
      : { bytes: this.#encoder.encode(`${this.#lines[0]}\n`), count: 1 };
  }

  /** Writes all of `bytes`, or counts the lines of it that were not written. */
  async #writeAll(bytes: Uint8Array): Promise<void> {
    let written = 0;
    try {
      while (written < bytes.length) {
        written += await this.#writeSome(bytes.subarray(written));
      }
      this.#cut = NOTHING;
    } catch (error) {
      const left = bytes.slice(written);
      const isCut = written > 0 && bytes[written - 1] !== LF ||
        bytes === this.#cut;
      const cut = isCut ? left.indexOf(LF) + 1 : 0;
      this.#cut = left.slice(0, cut);
      this.#dropped += left.subarray(cut).filter((byte) => byte === LF).length;
      throw error;
    }
  }

  /** Tries until the sink takes something: it may not wait until it can. */
  async #writeSome(bytes: Uint8Array): Promise<number> {
    for (;;) {
      try {
        return await this.#options.write(bytes);
      } catch (error) {
        if (!(error instanceof Deno.errors.WouldBlock)) throw error;
        await pause(RETRY_PAUSE);
      }
    }
  }

  /** Tells what was dropped, once there is room for a while. */
  #tellDropped(): void {
    if (this.#size <= this.#options.limit / 2) this.#overflowing = false;
    if (this.#dropped === 0 || this.#overflowing) return;
    const lines = this.#dropped;
    this.#dropped = 0;
    this.#options.onDropped(lines);
  }
}

/** What {@linkcode queuedLogger} makes. */
export interface QueuedLogger {
  /** What `onEvent` of a server takes. */
  readonly onEvent: (event: ServerEvent) => void;
  /** See {@linkcode LogQueue.flush}. */
  readonly flush: (milliseconds: number) => Promise<void>;
}

/**
 * A {@linkcode logger} that never waits for its sink. Lines that were dropped
 * are told as an event, in the format of all others.
 *
 * @param options How the lines look, and how many there are.
 * @param write The sink, for example that of `Deno.stderr`.
 */
export function queuedLogger(
  options: Omit<LoggerOptions, "write">,
  write: WriteBytes,
): QueuedLogger {
  const onDropped = (lines: number) => onEvent({ type: "dropped", lines });
  const queue = new LogQueue({ write, onDropped });
  const onEvent = logger({ ...options, write: queue.write });
  return {
    onEvent,
    flush: (milliseconds) => queue.flush(milliseconds),
  };
}
