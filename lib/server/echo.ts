/**
 * The sentence that serves a connection.
 *
 * @module
 */

import type { Connection, Handler } from "../connection/connection.ts";
import { LineStream } from "../lines/line_stream.ts";
import type {
  EchoServerOptions,
  ListenerSettings,
} from "../options/options.ts";
import { checkEach, OPTIONS } from "../options/schema.ts";

/** A handler that knows which connection of its listener it serves. */
export type NumberedHandler = (
  connection: Connection,
  served: {
    /** Counts the connections of the listener, from 1. */
    readonly number: number;
    /** Seconds since it was accepted. */
    readonly seconds: number;
  },
) => Promise<void>;

/** Options of {@linkcode echo}. */
export type EchoOptions = Pick<EchoServerOptions, "mode" | "maxLineLength">;

/**
 * Makes a handler that sends back what a client sends (RFC 862), by whole lines or
 * as it comes.
 *
 * @example Echo to all but one
 * ```ts
 * import { echo, EchoServer, type Handler } from "@echoserver/echoserver";
 *
 * const echoLines = echo({ maxLineLength: 4096 });
 * const handler: Handler = async (connection) => {
 *   if (connection.remoteAddr.hostname === "192.0.2.7") return;
 *   await echoLines(connection);
 * };
 * await using server = await EchoServer.start({ port: 0, handler });
 * ```
 *
 * @param options By whole lines or raw, and how much of a line is held.
 * @returns A handler for `EchoServer.start()`.
 * @throws {RangeError} If `maxLineLength` is not in its range.
 * @throws {TypeError} If `mode` is not one of the allowed strings.
 */
export function echo(options: EchoOptions = {}): Handler {
  const { mode, maxLineLength } = OPTIONS;
  return echoOf(checkEach({ mode, maxLineLength }, options));
}

/** The same for settings that are checked. */
export function echoOf(
  { mode, maxLineLength }: Pick<ListenerSettings, "mode" | "maxLineLength">,
): Handler {
  if (mode === "raw") {
    return (connection) => connection.readable.pipeTo(connection.writable);
  }
  return (connection) =>
    connection.readable
      .pipeThrough(new LineStream({ maxLineLength }))
      .pipeTo(connection.writable);
}
