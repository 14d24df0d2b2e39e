import { checkNumber } from "../util/check.ts";
import { DEFAULT_LINE_LIMIT, LINE_LIMIT, LineBuffer } from "./line_buffer.ts";
import { lockedWritable } from "../util/locked.ts";

/** Options of {@linkcode LineStream}. */
export interface LineStreamOptions {
  /**
   * Most bytes held of a line whose end has not come, its LF not counted: 1 to
   * 16777216. A longer line goes on in pieces. It limits what is held, not what
   * comes out: a piece may be longer, or the whole line if it came at once.
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
 * two do not end with LF. Its consumer owns it. A chunk that is no `Uint8Array`
 * fails the stream with a `TypeError`.
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
export class LineStream implements TransformStream<Uint8Array, Uint8Array> {
  // A TransformStream to everybody who asks, but one whose costly constructor
  // has not run: a connection that splits lines itself never pays for it.
  static {
    Object.setPrototypeOf(this, TransformStream);
    Object.setPrototypeOf(this.prototype, TransformStream.prototype);
  }

  readonly #maxLineLength: number;
  #stream: TransformStream<Uint8Array, Uint8Array> | undefined;
  #fused: ReadableStream<Uint8Array> | undefined;

  /**
   * Makes a stream of lines.
   *
   * @param options How much to hold of a line whose end has not come.
   * @throws {RangeError} If `maxLineLength` is no whole number from 1 to
   * 16777216.
   */
  constructor(options: LineStreamOptions = {}) {
    const { maxLineLength = DEFAULT_LINE_LIMIT } = options;
    this.#maxLineLength = checkNumber(
      "maxLineLength",
      maxLineLength,
      LINE_LIMIT,
    );
  }

  /** Gives out whole lines. */
  get readable(): ReadableStream<Uint8Array> {
    return this.#fused ?? this.#transform().readable;
  }

  /** Takes bytes in chunks of any size. */
  get writable(): WritableStream<Uint8Array> {
    const elsewhere = this.#fused && !this.#stream;
    return elsewhere ? lockedWritable() : this.#transform().writable;
  }

  /**
   * For a source that can split lines itself: if `transform` is a plain
   * `LineStream` that nobody has used, `readable` is what it gives out from now
   * on, made from the line limit and the platform's stream.
   *
   * @ignore
   */
  static fuse(
    transform: unknown,
    readable: (
      maxLineLength: number,
      standard: () => TransformStream<Uint8Array, Uint8Array>,
    ) => ReadableStream<Uint8Array>,
  ): ReadableStream<Uint8Array> | undefined {
    if (!(transform instanceof LineStream)) return undefined;
    const plain = transform.constructor === LineStream;
    if (!plain || transform.#stream || transform.#fused) return undefined;
    return transform.#fused = readable(
      transform.#maxLineLength,
      () => transform.#transform(),
    );
  }

  #transform(): TransformStream<Uint8Array, Uint8Array> {
    return this.#stream ??= new TransformStream(
      lineTransformer(this.#maxLineLength),
    );
  }
}

function lineTransformer(
  maxLineLength: number,
): Transformer<Uint8Array, Uint8Array> {
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
