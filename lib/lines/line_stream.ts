/**
 * Whole lines, as a `TransformStream`.
 *
 * @module
 */

import { checkNumber, checkObject } from "../util/check.ts";
import { DEFAULT_LINE_LIMIT, LINE_LIMIT, LineBuffer } from "./line_buffer.ts";
import { lockedWritable } from "../util/lazy.ts";

/** What a source that splits lines itself needs of a {@linkcode LineStream}. */
interface Fusion {
  /** Whether this is a plain `LineStream` that nobody has used. */
  accepts(stream: unknown): stream is LineStream;
  /** Its line limit. */
  lineLimit(lines: LineStream): number;
  /** Gives it the source's lines as its `readable`; its writable is locked. */
  replaceReadable(
    lines: LineStream,
    readable: ReadableStream<Uint8Array<ArrayBuffer>>,
  ): void;
  /** The platform's stream that does the same. */
  standard(
    lines: LineStream,
  ): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>;
}

/** The privates of {@linkcode LineStream} that a fused pipe needs. */
export let fusion: Fusion;

/** Options of {@linkcode LineStream}. */
export interface LineStreamOptions {
  /**
   * Most bytes held of an unfinished line, its LF not counted: 1 to 16777216. A
   * longer line goes on in pieces. It limits what is held, not what comes out: a
   * piece may be longer, or the whole line if it came at once.
   *
   * @default {65536}
   */
  maxLineLength?: number;
}

/**
 * A `TransformStream` of bytes that passes on whole lines, as many at once as
 * there are.
 *
 * LF ends a line and stays in it; nothing is decoded, changed or lost. A chunk
 * that comes out is one or more whole lines, or a piece of a line longer than
 * `maxLineLength`, or the unterminated tail when the stream closes: only these
 * two do not end with LF. The chunk is not reused by the stream; you may change
 * it. A chunk that is no `Uint8Array` fails the stream with a `TypeError`.
 *
 * @example Lines out of arbitrary chunks
 * ```ts
 * import { LineStream } from "@echoserver/echoserver";
 * import assert from "node:assert/strict";
 *
 * const lines = ReadableStream.from(["one\ntw", "o\nthr", "ee"])
 *   .pipeThrough(new TextEncoderStream())
 *   .pipeThrough(new LineStream({ maxLineLength: 4096 }))
 *   .pipeThrough(new TextDecoderStream());
 * assert.deepEqual(await Array.fromAsync(lines), ["one\n", "two\n", "three"]);
 * ```
 */
export class LineStream
  implements TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  // A TransformStream to everybody who asks, but one whose costly constructor
  // has not run: a connection that splits lines itself never pays for it.
  static {
    Object.setPrototypeOf(this, TransformStream);
    Object.setPrototypeOf(this.prototype, TransformStream.prototype);
    fusion = {
      accepts: (stream): stream is LineStream =>
        stream instanceof LineStream && stream.constructor === LineStream &&
        !stream.#stream && !stream.#replaced,
      lineLimit: (lines) => lines.#maxLineLength,
      replaceReadable: (lines, readable) => lines.#replaced = readable,
      standard: (lines) => lines.#transform(),
    };
  }

  readonly #maxLineLength: number;
  #stream: TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> | undefined;
  /** Takes the place of `readable` once a source splits the lines itself. */
  #replaced: ReadableStream<Uint8Array<ArrayBuffer>> | undefined;
  #locked: WritableStream<Uint8Array> | undefined;

  /**
   * Makes a stream of lines.
   *
   * @param options How much to hold of a line whose end has not come.
   * @throws {RangeError} If `maxLineLength` is not a whole number from 1 to
   * 16777216.
   */
  constructor(options: LineStreamOptions = {}) {
    const { maxLineLength = DEFAULT_LINE_LIMIT } = checkObject(
      "options",
      options,
    );
    this.#maxLineLength = checkNumber(
      "maxLineLength",
      maxLineLength,
      LINE_LIMIT,
    );
  }

  /** Gives out whole lines. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#replaced ?? this.#transform().readable;
  }

  /** Takes bytes in chunks of any size. */
  get writable(): WritableStream<Uint8Array> {
    if (!this.#replaced) return this.#transform().writable;
    return this.#locked ??= lockedWritable();
  }

  #transform(): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
    return this.#stream ??= new TransformStream(
      lineTransformer(this.#maxLineLength),
    );
  }
}

function lineTransformer(
  maxLineLength: number,
): Transformer<Uint8Array, Uint8Array<ArrayBuffer>> {
  const lines = new LineBuffer(maxLineLength);
  return {
    transform(chunk, controller) {
      if (!(chunk instanceof Uint8Array)) {
        throw new TypeError(
          "A LineStream takes chunks of type Uint8Array only",
        );
      }
      for (let at = 0; at < chunk.length;) {
        const room = lines.room();
        const part = chunk.subarray(at, at + room.length);
        room.set(part);
        at += part.length;
        const whole = lines.takeLines(part.length);
        if (whole.length > 0) controller.enqueue(whole.slice());
      }
    },
    flush(controller) {
      const tail = lines.takeTail();
      if (tail.length > 0) controller.enqueue(tail.slice());
    },
  };
}
