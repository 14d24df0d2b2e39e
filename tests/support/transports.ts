/**
 * Whatever carries a stream, so that a test can be run over all of it.
 *
 * @module
 */

import { certificateFiles } from "./certificate.ts";
import { ABSTRACT, NO_TLS, PROGRAM, Program } from "./program.ts";

/** The transports with streams. */
export const STREAMS = ["tcp", "tls", "unix"] as const;

/** One of them. */
export type Stream = typeof STREAMS[number];

/** Whether tests over it must be ignored: `ignore: !CARRIES.tls`. */
export const CARRIES: Record<Stream, boolean> = {
  tcp: PROGRAM,
  tls: PROGRAM && !NO_TLS,
  unix: ABSTRACT,
};

/** What a test needs of Deno's permissions if it starts the program for TLS. */
export const WITH_FILES = ["--allow-net", "--allow-read", "--allow-write"];

/** The URL of a listener on whatever is free. */
export function freeUrl(transport: string): string {
  return transport === "unix" ? abstractName() : `${transport}://127.0.0.1:0`;
}

/** An abstract name that nobody else has. */
export function abstractName(): string {
  return `unix:@echoserver-test-${crypto.randomUUID()}`;
}

/**
 * Starts the program with one listener, whose certificate, if it needs one, is
 * that which clients trust.
 */
export async function serveOver(
  stream: Stream,
  parameters = "",
  args: string[] = [],
): Promise<Program & { address: string }> {
  const urls = [freeUrl(stream) + (parameters && `?${parameters}`)];
  if (stream !== "tls") {
    return withAddress(await Program.listeningAt(urls, args));
  }
  await using files = await certificateFiles();
  return withAddress(
    await Program.listeningAt(urls, [...args, ...files.options], {
      permissions: WITH_FILES,
    }),
  );
}

function withAddress(
  program: Program & { addresses: string[] },
): Program & { address: string } {
  return Object.assign(program, { address: program.addresses[0]! });
}
