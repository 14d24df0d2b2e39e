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
 * promise of ours. Two traces are left: streams that were fused stay locked when
 * the pipe is done, and in a drain the pipe's promise settles when the client
 * has answered our FIN, not when it is sent.
 *
 * @module
 */

import { LineBuffer, RAW } from "../lines/line_buffer.ts";
import { fusion, type LineStream } from "../lines/line_stream.ts";
import { Lazy, lockedReadable, lockedWritable } from "../util/lazy.ts";
import { reads } from "./read_scheduler.ts";
import type { Socket } from "./socket.ts";

type Use = "unused" | "standard" | "fused";

/** What a connection sends to its client. */
export class OutputEnd extends Lazy<WritableStream<Uint8Array>> {
  override readonly type = WritableStream;
  use: Use = "unused";
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
  }

  protected override make(): WritableStream<Uint8Array> {
    if (this.use === "fused") return lockedWritable();
    this.use = "standard";
    return writableOf(this.#socket);
  }
}

/** What a client sends, as it comes or through a {@linkcode LineStream}. */
export class InputEnd extends Lazy<ReadableStream<Uint8Array>> {
  override readonly type = ReadableStream;
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

  override own(key: PropertyKey): unknown {
    if (key === "pipeThrough") return this.#pipeThrough.bind(this);
    if (key === "pipeTo") return this.#pipeTo.bind(this);
    return undefined;
  }

  protected override make(): ReadableStream<Uint8Array> {
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
    return pump(this.#socket, new LineBuffer(limit));
  }
}

/**
 * The loop: one read, the whole lines of it in one write, what is left kept for
 * the next.
 */
async function pump(socket: Socket, lines: LineBuffer): Promise<void> {
  socket.onInputEnd = () => finishWithoutRead(socket, lines);
  while (socket.inputOpen) {
    if (reads.paused) {
      await reads.resumed();
      continue;
    }
    const room = lines.room();
    let count: number | null;
    try {
      count = socket.received(await socket.beginRead(room), room);
    } catch (error) {
      if (socket.readFailed()) throw error;
      return;
    }
    if (count === null) break;
    const whole = lines.takeLines(count);
    if (whole.length === 0) continue;
    const sent = socket.sent(await socket.beginWrite(whole), whole.length);
    if (sent < whole.length) await socket.writeRest(whole.subarray(sent));
  }
  await sendTail(socket, lines);
}

async function sendTail(socket: Socket, lines: LineBuffer): Promise<void> {
  if (socket.closed) return;
  const tail = lines.takeTail();
  if (tail.length > 0) await socket.write(tail);
  await socket.closeWrite();
}

/**
 * Ends a connection whose input was ended while a read is pending. The answer to
 * that read, if one comes, lands behind the tail and is dropped.
 */
async function finishWithoutRead(
  socket: Socket,
  lines: LineBuffer,
): Promise<void> {
  try {
    await sendTail(socket, lines);
    await socket.linger();
  } catch {
    socket.close();
  }
}

/** The standard path's source: each chunk is what one read gave. */
function readableOf(socket: Socket): ReadableStream<Uint8Array> {
  const bytes = new LineBuffer(RAW);
  return new ReadableStream({
    async pull(controller) {
      const count = await socket.read(bytes.room());
      if (count === null) controller.close();
      else controller.enqueue(bytes.takeLines(count).slice());
    },
    cancel: () => socket.endInput(),
  }, { highWaterMark: 0 });
}

/** The standard path's sink. */
function writableOf(socket: Socket): WritableStream<Uint8Array> {
  return new WritableStream({
    write: (chunk) => socket.write(chunk),
    close: () => socket.closeWrite(),
    abort: () => socket.close(),
  });
}
