/**
 * Server-sent events: one update a second for everybody who listens.
 *
 * @module
 */

type Stream = ReadableStreamDefaultController<Uint8Array>;

/**
 * Sends the same updates to all open streams, and makes none while there is no
 * stream. A stream that has not taken the last update misses the next.
 */
export class EventFeed {
  readonly #update: () => Promise<unknown>;
  readonly #period: number;
  readonly #streams = new Set<Stream>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #making = false;
  #closed = false;
  #last: Uint8Array | undefined;

  /**
   * @param update Makes an update, which is sent as JSON.
   * @param period Milliseconds from one update to the next.
   */
  constructor(update: () => Promise<unknown>, period = 1_000) {
    this.#update = update;
    this.#period = period;
  }

  /** Opens a stream, which begins with the last update if that is recent. */
  open(): ReadableStream<Uint8Array> {
    let stream: Stream;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        stream = controller;
        if (this.#closed) stream.close();
        else this.#add(stream);
      },
      cancel: () => this.#delete(stream),
    });
  }

  /** Ends all streams, those too that are opened later. */
  close(): void {
    this.#closed = true;
    for (const stream of this.#streams) {
      this.#delete(stream);
      stream.close();
    }
  }

  #add(stream: Stream): void {
    this.#streams.add(stream);
    if (this.#timer !== undefined) {
      if (this.#last) stream.enqueue(this.#last);
      return;
    }
    this.#last = undefined;
    this.#timer = setInterval(() => this.#send(), this.#period);
    this.#send();
  }

  #delete(stream: Stream): void {
    this.#streams.delete(stream);
    if (this.#streams.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #send(): Promise<void> {
    if (this.#making) return;
    this.#making = true;
    try {
      const event = `data: ${JSON.stringify(await this.#update())}\n\n`;
      this.#last = new TextEncoder().encode(event);
      for (const stream of this.#streams) {
        if (stream.desiredSize! > 0) stream.enqueue(this.#last);
      }
    } catch {
      // What cannot be told now is told a second later.
    } finally {
      this.#making = false;
    }
  }
}
