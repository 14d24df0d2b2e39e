/**
 * A `ReadableStream` whose platform stream is made when somebody first reads from it.
 *
 * The platform's constructor costs 2 KB and 5 µs, three times for each connection, for streams through which nothing
 * flows once their pipe is fused. An API that insists on the platform's own object (`new Response(stream)`) gets one
 * from `pipeThrough(new TransformStream())`.
 */
export class LazyReadable<R> implements ReadableStream<R> {
  readonly #make: () => ReadableStream<R>;
  #stream: ReadableStream<R> | undefined;
  #claimed = false;

  /** @param make Makes the platform's stream. */
  constructor(make: () => ReadableStream<R>) {
    this.#make = make;
  }

  /** Whether nobody has asked anything of it yet. */
  protected get untouched(): boolean {
    return !this.#stream && !this.#claimed;
  }

  /** Locks it for good, without making the platform's stream. */
  protected claim(): void {
    this.#claimed = true;
  }

  /** The platform's stream, even if this one is claimed. */
  protected get made(): ReadableStream<R> {
    return this.#stream ??= this.#make();
  }

  get #free(): ReadableStream<R> {
    if (this.#claimed) {
      throw new TypeError("The stream is locked: it is piped already");
    }
    return this.made;
  }

  get locked(): boolean {
    return this.#claimed || (this.#stream?.locked ?? false);
  }

  // deno-lint-ignore require-await -- a locked stream rejects, it does not throw
  async cancel(reason?: unknown): Promise<void> {
    return this.#free.cancel(reason);
  }

  getReader(options: { mode: "byob" }): ReadableStreamBYOBReader;
  getReader(options?: { mode?: undefined }): ReadableStreamDefaultReader<R>;
  getReader(options?: { mode?: "byob" | undefined }): ReadableStreamReader<R> {
    return this.#free.getReader(options as { mode: "byob" });
  }

  pipeThrough<T>(
    transform: ReadableWritablePair<T, R>,
    options?: StreamPipeOptions,
  ): ReadableStream<T> {
    return this.#free.pipeThrough(transform, options);
  }

  // deno-lint-ignore require-await -- a locked stream rejects, it does not throw
  async pipeTo(
    destination: WritableStream<R>,
    options?: StreamPipeOptions,
  ): Promise<void> {
    return this.#free.pipeTo(destination, options);
  }

  tee(): [ReadableStream<R>, ReadableStream<R>] {
    return this.#free.tee();
  }

  values(
    options?: ReadableStreamIteratorOptions,
  ): ReturnType<ReadableStream<R>["values"]> {
    return this.#free.values(options);
  }

  [Symbol.asyncIterator](
    options?: ReadableStreamIteratorOptions,
  ): ReturnType<ReadableStream<R>["values"]> {
    return this.values(options);
  }
}

// A ReadableStream to everybody who asks, but one whose costly constructor has not run.
Object.setPrototypeOf(LazyReadable.prototype, ReadableStream.prototype);
