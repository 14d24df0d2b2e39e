import { LazyReadable } from "./lazy_readable.ts";
import { LineBuffer } from "./line_buffer.ts";
import { LineStream } from "./line_stream.ts";
import type { Socket } from "./socket.ts";

/** A client's connection, as a {@linkcode Handler} sees it. */
export interface Connection {
  /**
   * What the client sends. It ends with the client's FIN, and when the server shuts down: then once all that had
   * arrived has been given out (in line mode, once a line that is under way has been finished).
   */
  readonly readable: ReadableStream<Uint8Array>;
  /** What the client gets. Closing it sends FIN; reading goes on. */
  readonly writable: WritableStream<Uint8Array>;
  /** The client's address. */
  readonly remoteAddr: Deno.Addr;
  /** Aborts when the server gives the connection up: at the deadline of a shutdown, or after the idle time-out. */
  readonly signal: AbortSignal;
}

/**
 * Serves a connection until its promise settles; then the connection is closed, whatever was left open. If the promise
 * rejects, that ends this connection and no other.
 *
 * @example Everything in upper case
 * ```ts
 * import { EchoServer, type Handler } from "@echoserver/echoserver";
 *
 * const upperCase = () =>
 *   new TransformStream<string, string>({
 *     transform: (text, controller) => controller.enqueue(text.toUpperCase()),
 *   });
 * const shout: Handler = (connection) =>
 *   connection.readable
 *     .pipeThrough(new TextDecoderStream())
 *     .pipeThrough(upperCase())
 *     .pipeThrough(new TextEncoderStream())
 *     .pipeTo(connection.writable);
 *
 * await using server = await EchoServer.start({ port: 0, handler: shout });
 * ```
 */
export type Handler = (connection: Connection) => Promise<void>;

/**
 * A socket as a pair of streams that know each other.
 *
 * Piped into each other, directly or through a plain {@linkcode LineStream}, they are *fused*: the bytes take the loop
 * of {@linkcode pump}, and no chunk enters a queue. Every other pipe takes the platform's streams and means the same.
 *
 * ```text
 *   fused:     socket ── read ──► LineBuffer ── write ──► socket
 *   standard:  socket ── pull ──► ReadableStream ─► any transforms ─► WritableStream ── write ──► socket
 * ```
 */
export class SocketConnection implements Connection {
  readonly #socket: Socket;
  #readable: SocketReadable | undefined;
  #writable: SocketWritable | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get readable(): ReadableStream<Uint8Array> {
    return this.#readable ??= new SocketReadable(this, this.#socket);
  }

  get writable(): SocketWritable {
    return this.#writable ??= new SocketWritable(this.#socket);
  }

  get remoteAddr(): Deno.Addr {
    return this.#socket.remoteAddr;
  }

  get signal(): AbortSignal {
    return this.#socket.signal;
  }
}

/** What a client sends, or the lines of it. */
class SocketReadable extends LazyReadable<Uint8Array> {
  readonly #connection: SocketConnection;
  readonly #socket: Socket;
  readonly #maxLineLength: number;

  constructor(
    connection: SocketConnection,
    socket: Socket,
    maxLineLength = 0,
    make: () => ReadableStream<Uint8Array> = () => socketReadable(socket),
  ) {
    super(make);
    this.#connection = connection;
    this.#socket = socket;
    this.#maxLineLength = maxLineLength;
  }

  override pipeThrough<T>(
    transform: ReadableWritablePair<T, Uint8Array>,
    options?: StreamPipeOptions,
  ): ReadableStream<T> {
    const lines = options || this.#maxLineLength > 0
      ? undefined
      : this.#pipeThroughLines(transform);
    return lines as ReadableStream<T> | undefined ??
      super.pipeThrough(transform, options);
  }

  override pipeTo(
    destination: WritableStream<Uint8Array>,
    options?: StreamPipeOptions,
  ): Promise<void> {
    const { writable } = this.#connection;
    if (
      options || destination !== writable || writable.locked || !this.untouched
    ) {
      return super.pipeTo(destination, options);
    }
    this.claim();
    writable.claim();
    return pump(this.#socket, new LineBuffer(this.#maxLineLength));
  }

  #pipeThroughLines(
    transform: ReadableWritablePair<unknown, Uint8Array>,
  ): SocketReadable | undefined {
    if (!this.untouched) return undefined;
    const standardPipe = () => {
      if (!lines.locked) this.made.pipeTo(transform.writable).catch(() => {});
    };
    const maxLineLength = LineStream.defer(transform, standardPipe);
    if (maxLineLength === undefined) return undefined;
    this.claim();
    const readable = () => transform.readable as ReadableStream<Uint8Array>;
    const lines = new SocketReadable(
      this.#connection,
      this.#socket,
      maxLineLength,
      readable,
    );
    return lines;
  }
}

/** What a client gets. */
class SocketWritable extends WritableStream<Uint8Array> {
  #claimed = false;

  constructor(socket: Socket) {
    super({
      write: (chunk) => socket.write(chunk),
      close: () => socket.closeWrite(),
      abort: () => socket.close(),
    });
  }

  /** Locks it for good. */
  claim(): void {
    this.#claimed = true;
  }

  override get locked(): boolean {
    return this.#claimed || super.locked;
  }

  override getWriter(): WritableStreamDefaultWriter<Uint8Array> {
    if (this.#claimed) {
      throw new TypeError("The stream is locked: it is piped to already");
    }
    return super.getWriter();
  }
}

/** The fused pipe: one read, the whole lines of it in one write, what is left kept for the next. */
async function pump(socket: Socket, lines: LineBuffer): Promise<void> {
  for (let count; (count = await socket.read(lines.room())) !== null;) {
    const whole = lines.take(count);
    if (whole.length > 0) await socket.write(whole);
  }
  const tail = lines.takeTail();
  if (tail.length > 0) await socket.write(tail);
  await socket.closeWrite();
}

/** The standard road: the platform's stream of what a socket reads. */
function socketReadable(socket: Socket): ReadableStream<Uint8Array> {
  const bytes = new LineBuffer(0);
  return new ReadableStream({
    async pull(controller) {
      const count = await socket.read(bytes.room());
      if (count === null) controller.close();
      else controller.enqueue(bytes.take(count).slice());
    },
    cancel: () => socket.end(),
  }, { highWaterMark: 0 });
}
