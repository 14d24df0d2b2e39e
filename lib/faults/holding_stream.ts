/**
 * What the faults have in common that make bytes wait.
 *
 * @module
 */

import { type Alarm, type Clock, threadClock } from "./clock.ts";
import { ByteQueue } from "./byte_queue.ts";
import { checkChunk } from "./chunk.ts";

/** Says when bytes that a {@linkcode holdingStream} holds go on. */
export interface Release {
  /** Takes note of a chunk that has come. */
  arrived?(chunk: Uint8Array, now: number): void;
  /**
   * How many of the `held` bytes (at least one) go on now, in one chunk. If it
   * is 0, {@linkcode due} says when to ask again; if not, they do go on.
   */
  ready(held: number, now: number): number;
  /** Asked when nothing is ready: the time, in milliseconds, when it will be. */
  due?(): number;
  /**
   * Whether nothing more goes on: the readable end closes, and whatever comes
   * is dropped.
   *
   * @default {false}
   */
  readonly over?: boolean;
  /**
   * Milliseconds that the end of the stream comes later.
   *
   * @default {0}
   */
  readonly endDelay?: number;
  /**
   * Bytes that wait before no more is taken. The chunk that reaches it is still
   * taken whole.
   *
   * @default {1}
   */
  readonly room?: number;
}

/**
 * Makes a `TransformStream` that lets bytes wait, in order.
 *
 * ```text
 *   writable ──► ByteQueue ──► readable     takes while there is room;
 *                    ▲                      gives when somebody reads and
 *                 Release ◄── Clock         the release says that it is time
 * ```
 *
 * A plain `Transformer` could not do it: it is not told when its readable end is
 * read, nor that its writable end is aborted while a write waits, and it cannot
 * close one end alone. Here either end's failure ends the other at once, and
 * then nothing is held and no alarm is set. When the writable end closes, what
 * is held still goes on in its time.
 */
export function holdingStream(
  release: Release,
  clock: Clock = threadClock,
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  const held = new Holding(release, clock);
  const writable = new WritableStream<Uint8Array>({
    start: (controller) => held.start(controller),
    write: (chunk) => held.write(chunk),
    close: () => held.end(),
  });
  const readable = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => void (held.output = controller),
    pull: () => held.pull(),
    cancel: (reason) => held.cancel(reason),
  }, { highWaterMark: 0 });
  return Object.create(TransformStream.prototype, {
    readable: { value: readable, enumerable: true },
    writable: { value: writable, enumerable: true },
  });
}

/** What the two ends of a {@linkcode holdingStream} share. */
class Holding {
  output!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #input!: WritableStreamDefaultController;
  readonly #release: Release;
  readonly #room: number;
  readonly #clock: Clock;
  readonly #bytes = new ByteQueue();
  #alarm: Alarm | undefined;
  /** Lets go a write that waits for room. */
  #makeRoom: () => void = () => {};
  #wanted = false;
  /** When the readable end closes, if nothing is held. */
  #endsAt = Infinity;
  #closed = false;

  constructor(release: Release, clock: Clock) {
    this.#release = release;
    this.#room = release.room ?? 1;
    this.#clock = clock;
  }

  start(controller: WritableStreamDefaultController): void {
    this.#input = controller;
    const { signal } = controller;
    signal.addEventListener("abort", () => this.#fail(signal.reason));
  }

  write(chunk: unknown): Promise<void> | void {
    try {
      this.#take(checkChunk(chunk));
    } catch (error) {
      this.#fail(error);
      throw error;
    }
    if (this.#bytes.length < this.#room) return;
    return new Promise((resolve) => this.#makeRoom = resolve);
  }

  end(): void {
    this.#endsAt = this.#clock.now() + (this.#release.endDelay ?? 0);
    this.#serve();
  }

  pull(): void {
    this.#wanted = true;
    this.#serve();
  }

  cancel(reason: unknown): void {
    this.#forget();
    this.#input.error(reason);
  }

  #take(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#release.arrived?.(chunk, this.#clock.now());
    this.#bytes.push(chunk);
    this.#serve();
  }

  /** Gives on what may go on, and asks to be woken for the rest. */
  #serve(): void {
    if (this.#closed || this.#alarm) return;
    if (this.#release.over) return this.#close();
    if (this.#bytes.length === 0) return this.#serveEnd();
    if (!this.#wanted) return;
    const count = this.#release.ready(this.#bytes.length, this.#clock.now());
    if (count === 0) return this.#wakeAt(this.#release.due!());
    const chunk = this.#bytes.take(count);
    this.#wanted = false;
    if (this.#bytes.length < this.#room) this.#makeRoom();
    this.output.enqueue(chunk);
    this.#serve();
  }

  /** Gives on the end of the input, if that has come. */
  #serveEnd(): void {
    if (this.#endsAt === Infinity) return;
    if (this.#endsAt > this.#clock.now()) this.#wakeAt(this.#endsAt);
    else this.#close();
  }

  #wakeAt(time: number): void {
    this.#alarm = this.#clock.at(time, () => {
      this.#alarm = undefined;
      this.#serve();
    });
  }

  #close(): void {
    this.#forget();
    this.output.close();
  }

  #fail(reason: unknown): void {
    this.#forget();
    this.output.error(reason);
  }

  #forget(): void {
    this.#closed = true;
    this.#alarm?.cancel();
    this.#alarm = undefined;
    this.#bytes.clear();
    this.#makeRoom();
  }
}
