/**
 * The fused pipe: the two ends of a connection, piped into each other, become
 * one loop.
 *
 * ```text
 *   fused      socket ─► LineBuffer ─► socket
 *   standard   socket ─► ReadableStream ─► … ─► WritableStream ─► socket
 *
 *   readable   what is done with it                          becomes
 *   ────────   ───────────────────────────────────────────   ────────
 *   unused     pipeThrough(a plain, unused LineStream)       fused; the result is
 *                                                            an unused readable
 *   unused     pipeTo(the unused writable of its socket)     fused, and so is the
 *                                                            writable
 *   unused     anything else                                 standard
 *   fused      anything                                      fused: a locked stream
 *   standard   anything                                      standard
 * ```
 *
 * A fused stream is never made, so no chunk enters a queue and no line costs a
 * promise of ours. One trace is left: streams that were fused stay locked when
 * the pipe is done.
 *
 * @module
 */

import { LineBuffer, RAW } from "../lines/line_buffer.ts";
import { fusion, type LineStream } from "../lines/line_stream.ts";
import { Lazy, lockedReadable, lockedWritable } from "../util/lazy.ts";
import { chunks } from "./chunk_scheduler.ts";
import type { Reader } from "./read_scheduler.ts";
import type { Socket } from "./socket.ts";

type Use = "unused" | "standard" | "fused";

/** What a connection sends to its client. */
export class OutputEnd extends Lazy<WritableStream<Uint8Array>> {
  use: Use = "unused";
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
  }

  override get type(): typeof WritableStream<Uint8Array> {
    return WritableStream;
  }

  protected override make(): WritableStream<Uint8Array> {
    if (this.use === "fused") return lockedWritable();
    this.use = "standard";
    return writableOf(this.#socket);
  }
}

/** What a client sends, as it comes or through a {@linkcode LineStream}. */
export class InputEnd extends Lazy<ReadableStream<Uint8Array<ArrayBuffer>>> {
  #use: Use = "unused";
  readonly #socket: Socket;
  readonly #output: OutputEnd;
  readonly #lines: LineStream | undefined;

  constructor(socket: Socket, output: OutputEnd, lines?: LineStream) {
    super();
    this.#socket = socket;
    this.#output = output;
    this.#lines = lines;
  }

  override get type(): typeof ReadableStream<Uint8Array<ArrayBuffer>> {
    return ReadableStream;
  }

  override own(key: PropertyKey): unknown {
    if (key === "pipeThrough") return this.#pipeThrough.bind(this);
    if (key === "pipeTo") return this.#pipeTo.bind(this);
    return undefined;
  }

  protected override make(): ReadableStream<Uint8Array<ArrayBuffer>> {
    if (this.#use === "fused") return lockedReadable();
    this.#use = "standard";
    const bytes = readableOf(this.#socket);
    return this.#lines
      ? bytes.pipeThrough(fusion.standard(this.#lines))
      : bytes;
  }

  #pipeThrough<T>(
    transform: ReadableWritablePair<T, Uint8Array>,
    options?: StreamPipeOptions,
  ): ReadableStream<T> {
    const fusible = this.#use === "unused" && !this.#lines && !options &&
      fusion.accepts(transform);
    if (!fusible) return this.real.pipeThrough(transform, options);
    this.#use = "fused";
    const end = new InputEnd(this.#socket, this.#output, transform);
    fusion.replaceReadable(transform, end.facade);
    return end.facade as ReadableStream<unknown> as ReadableStream<T>;
  }

  #pipeTo(
    destination: WritableStream<Uint8Array>,
    options?: StreamPipeOptions,
  ): Promise<void> {
    const fusible = this.#use === "unused" && !options &&
      destination === this.#output.facade && this.#output.use === "unused";
    if (!fusible) return this.real.pipeTo(destination, options);
    this.#use = this.#output.use = "fused";
    const limit = this.#lines ? fusion.lineLimit(this.#lines) : RAW;
    return new Pump(this.#socket, new LineBuffer(limit)).run();
  }
}

/**
 * The loop: one read, the whole lines of it in one write, what is left kept for
 * the next. It goes from callback to callback: an async function that awaits
 * each read and write measured slower.
 */
class Pump implements Reader {
  readonly #socket: Socket;
  readonly #lines: LineBuffer;
  #resolve!: (end: Promise<void>) => void;
  #reject!: (error: unknown) => void;
  #finishing = false;
  #room!: Uint8Array;
  #whole!: Uint8Array;

  constructor(socket: Socket, lines: LineBuffer) {
    this.#socket = socket;
    this.#lines = lines;
  }

  /** Settles when the input has ended and all is sent, FIN included. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.input = this;
      this.#socket.enterRead(this);
    });
  }

  beginRead(): boolean {
    if (!this.#socket.inputOpen) {
      this.endInput();
      return false;
    }
    this.#room = this.#lines.room();
    this.#socket.beginRead(this.#room).then(this.#onRead, this.#onFailed);
    return true;
  }

  readonly #onRead = (answer: number | null): void => {
    const wasOpen = this.#socket.inputOpen;
    const count = this.#socket.received(answer, this.#room);
    // Where the input had been ended meanwhile, it is finished without this.
    if (count === null) return wasOpen ? this.endInput() : undefined;
    this.#whole = this.#lines.takeLines(count);
    if (this.#whole.length === 0) return this.#next();
    this.#socket.beginWrite(this.#whole).then(this.#onWritten, this.#onFailed);
  };

  readonly #onWritten = (count: number): void => {
    const { length } = this.#whole;
    const sent = this.#socket.sent(count, length);
    if (sent === length) return this.#next();
    this.#socket.writeRest(this.#whole.subarray(sent))
      .then(() => this.#next(), this.#onFailed);
  };

  /** A read, or a write, has failed. */
  readonly #onFailed = (error: unknown): void => {
    if (this.#socket.reading && !this.#socket.readFailed()) return;
    this.#reject(error);
  };

  #next(): void {
    if (this.#socket.inputOpen) this.#socket.enterRead(this);
    else this.endInput();
  }

  /**
   * Sends the tail and FIN. The answer to a read that is still pending, if one
   * comes, lands behind the tail and is dropped.
   */
  endInput(): void {
    if (this.#finishing) return;
    this.#finishing = true;
    this.#resolve(this.#sendTail());
  }

  async #sendTail(): Promise<void> {
    if (this.#socket.closed) return;
    const tail = this.#lines.takeTail();
    if (tail.length > 0) await this.#socket.write(tail);
    await this.#socket.closeWrite();
  }
}

/** The standard path's source: each chunk is what one read gave. */
function readableOf(socket: Socket): ReadableStream<Uint8Array<ArrayBuffer>> {
  const bytes = new LineBuffer(RAW);
  return new ReadableStream({
    async pull(controller) {
      const count = await socket.read(bytes.room());
      if (count === null) return controller.close();
      const turn = chunks.enter(count);
      if (turn) await turn;
      controller.enqueue(bytes.takeLines(count).slice());
    },
    cancel: () => socket.endInput(),
  }, { highWaterMark: 0 });
}

/** The standard path's sink. */
function writableOf(socket: Socket): WritableStream<Uint8Array> {
  return new WritableStream({
    async write(chunk) {
      const turn = chunks.enter(chunk.length);
      if (turn) await turn;
      await socket.write(chunk);
    },
    close: () => socket.closeWrite(),
    abort: () => socket.close(),
  });
}
