import { lazy } from "../util/lazy.ts";
import { LineBuffer, RAW } from "../lines/line_buffer.ts";
import { LineStream } from "../lines/line_stream.ts";
import { lockedReadable, lockedWritable } from "../util/locked.ts";
import type { Socket } from "./socket.ts";

/** A client's connection, as a {@linkcode Handler} sees it. */
export interface Connection {
  /**
   * What the client sends. It ends with the client's FIN, and when the server
   * shuts down: then once all that had arrived has been given out (in line
   * mode, once a line that is under way has been finished).
   */
  readonly readable: ReadableStream<Uint8Array>;
  /** What the client gets. Closing it sends FIN; reading goes on. */
  readonly writable: WritableStream<Uint8Array>;
  /** The client's address. */
  readonly remoteAddr: Deno.NetAddr;
  /**
   * Aborts when the server gives the connection up: at the deadline of a
   * shutdown, or after the idle time-out. `readable` ends then too. It does not
   * abort when the client goes: then `readable` ends, or fails with
   * `Deno.errors.ConnectionReset`. It may have aborted before a listener is
   * added; and if a listener throws, nobody can catch that and the process ends.
   */
  readonly signal: AbortSignal;
}

/**
 * Serves a connection until its promise settles; then the connection is closed,
 * whatever was left open. If the promise rejects, that ends this connection and
 * no other.
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

/** How a stream is used: as the platform's stream, or by a fused pipe. */
type Use = "unused" | "standard" | "fused";

/**
 * A socket as a pair of streams that know each other.
 *
 * Piped into each other, directly or through a plain {@linkcode LineStream},
 * they are *fused*: the bytes take the loop of {@linkcode pump}, no chunk
 * enters a queue, and no stream of the platform is made. Every other pipe takes
 * the platform's streams and means the same. (One trace is left: streams that
 * were fused stay locked when the pipe is done.)
 *
 * ```text
 *   fused      socket ─► LineBuffer ─► socket
 *   standard   socket ─► ReadableStream ─► … ─► WritableStream ─► socket
 * ```
 */
export class SocketConnection implements Connection {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly #socket: Socket;
  #output: Use = "unused";

  constructor(socket: Socket) {
    this.#socket = socket;
    this.readable = this.#source(RAW, () => readableOf(socket));
    this.writable = lazy(WritableStream<Uint8Array>, () => {
      if (this.#output === "fused") return lockedWritable();
      this.#output = "standard";
      return writableOf(socket);
    });
  }

  get remoteAddr(): Deno.NetAddr {
    return this.#socket.remoteAddr;
  }

  get signal(): AbortSignal {
    return this.#socket.signal;
  }

  /**
   * A stream of the input, or of its lines, that can be fused with the output.
   */
  #source(
    maxLineLength: number,
    standard: () => ReadableStream<Uint8Array>,
  ): ReadableStream<Uint8Array> {
    let use: Use = "unused";
    const make = () => {
      if (use === "fused") return lockedReadable();
      use = "standard";
      return standard();
    };
    return lazy(ReadableStream<Uint8Array>, make, (real) => ({
      pipeThrough: <T>(
        transform: ReadableWritablePair<T, Uint8Array>,
        options?: StreamPipeOptions,
      ) => {
        const fusible = use === "unused" && maxLineLength === RAW && !options;
        const lines = fusible && LineStream.fuse(transform, (limit, stream) => {
          return this.#source(limit, () => standard().pipeThrough(stream()));
        });
        if (!lines) return real().pipeThrough(transform, options);
        use = "fused";
        return lines as ReadableStream<unknown> as ReadableStream<T>;
      },
      pipeTo: (
        destination: WritableStream<Uint8Array>,
        options?: StreamPipeOptions,
      ) => {
        const fusible = use === "unused" && this.#output === "unused" &&
          !options;
        if (!fusible || destination !== this.writable) {
          return real().pipeTo(destination, options);
        }
        use = this.#output = "fused";
        return pump(this.#socket, new LineBuffer(maxLineLength));
      },
    }));
  }
}

/**
 * The fused pipe: one read, the whole lines of it in one write, what is left
 * kept for the next.
 */
async function pump(socket: Socket, lines: LineBuffer): Promise<void> {
  for (let count; (count = await socket.read(lines.room())) !== null;) {
    const whole = lines.takeLines(count);
    if (whole.length > 0) await socket.write(whole);
  }
  const tail = lines.takeTail();
  if (tail.length > 0) await socket.write(tail);
  await socket.closeWrite();
}

/** The standard road's source: each chunk is what one read gave. */
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

/** The standard road's sink. */
function writableOf(socket: Socket): WritableStream<Uint8Array> {
  return new WritableStream({
    write: (chunk) => socket.write(chunk),
    close: () => socket.closeWrite(),
    abort: () => socket.close(),
  });
}
