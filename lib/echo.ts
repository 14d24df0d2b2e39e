import type { Handler } from "./connection.ts";
import { LineStream } from "./line_stream.ts";
import type { Mode } from "./options.ts";

/** Options of {@linkcode echo}. */
export interface EchoOptions {
  /**
   * `line` gives back whole lines, `raw` bytes as they come.
   *
   * @default {"line"}
   */
  mode?: Mode;
  /**
   * Most bytes held of an unfinished line, its LF not counted: 1 to 16777216. A
   * longer line goes back in pieces.
   *
   * @default {65536}
   */
  maxLineLength?: number;
}

/**
 * Makes the handler that gives back what a client sends: RFC 862, by lines or
 * raw.
 *
 * @example The default handler, under a name of one's own
 * ```ts
 * import { echo, EchoServer } from "@echoserver/echoserver";
 *
 * const handler = echo({ mode: "raw" });
 * await using server = await EchoServer.start({ port: 0, handler });
 * ```
 *
 * @param options By lines or raw, and how long a line may be.
 * @returns A handler for `EchoServer.start()`.
 */
export function echo({ mode = "line", ...options }: EchoOptions = {}): Handler {
  return mode === "raw"
    ? (connection) => connection.readable.pipeTo(connection.writable)
    : (connection) =>
      connection.readable.pipeThrough(new LineStream(options)).pipeTo(
        connection.writable,
      );
}
