/**
 * Bytes a second through the line splitter: fused, and by the platform's streams.
 *
 * @module
 */

import { echo } from "../../lib/server/echo.ts";
import { SocketConnection } from "../../lib/connection/connection.ts";
import { LineStream } from "../../lib/lines/line_stream.ts";
import { Socket } from "../../lib/connection/socket.ts";
import type { Wire } from "../../lib/net/transport.ts";

/** Bytes of one iteration. */
const TOTAL = 4 * 1024 * 1024;

for (const line of [64, 1024, 65_536]) {
  for (const chunk of [1024, 65_536]) {
    const group = `4 MiB, lines of ${line} bytes, chunks of ${chunk} bytes`;
    const input = chunkOfLines(line, chunk);
    // Deno awaits only what an async function returns.
    Deno.bench("fused", { group, baseline: true }, async () => {
      await fused(input);
    });
    Deno.bench("standard", { group }, async () => {
      await standard(input);
    });
  }
}

/** A chunk out of a stream of lines of `line` bytes each. */
function chunkOfLines(line: number, chunk: number): Uint8Array[] {
  const bytes = new Uint8Array(TOTAL).fill(0x61);
  for (let end = line; end <= TOTAL; end += line) bytes[end - 1] = 0x0a;
  return Array.from(
    { length: TOTAL / chunk },
    (_, index) => bytes.subarray(index * chunk, (index + 1) * chunk),
  );
}

/** What the server does: a socket's two ends, piped into each other. */
async function fused(input: Uint8Array[]): Promise<void> {
  let next = 0;
  let offset = 0;
  const wire: Wire = {
    remoteAddr: { transport: "tcp", hostname: "192.0.2.7", port: 7 },
    // deno-lint-ignore require-await -- as of a socket
    async read(into) {
      const chunk = input[next];
      if (!chunk) return null;
      const part = chunk.subarray(offset, offset + into.length);
      into.set(part);
      offset += part.length;
      if (offset === chunk.length) {
        offset = 0;
        next++;
      }
      return part.length;
    },
    // deno-lint-ignore require-await -- as of a socket
    write: async (bytes) => bytes.length,
    closeWrite: async () => {},
    close() {},
  };
  const context = {
    pulse: { sweeps: 0 },
    finishesLines: true,
    readPerSweep: 10_000,
    isDirect: true,
  };
  await echo()(new SocketConnection(new Socket(wire, context)));
}

/** What any other pipe does. */
async function standard(input: Uint8Array[]): Promise<void> {
  await ReadableStream.from(input)
    .pipeThrough(new LineStream())
    .pipeTo(new WritableStream());
}
