import { setImmediate as turn } from "node:timers/promises";
import type { Clock } from "../../../lib/faults/clock.ts";
import { joined } from "../../support/chunks.ts";
import { text } from "../../support/client.ts";

type Stage = TransformStream<Uint8Array, Uint8Array>;

/** A chunk that has come out, and when. */
export interface Out {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** A stage that is read all the time, and what it has given. */
export interface ReadStage {
  readonly writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly out: Out[];
  /** Settles when the readable end has closed. */
  readonly done: Promise<void>;
}

/** Reads `stage` all the time, and notes when chunks come. */
export function readStage(stage: Stage, clock: Clock): ReadStage {
  const out: Out[] = [];
  const done = stage.readable.pipeTo(
    new WritableStream({
      write: (bytes) => void out.push({ at: clock.now(), bytes }),
    }),
  );
  done.catch(() => {});
  return { writer: stage.writable.getWriter(), out, done };
}

/** What has come out as pairs of time and text. */
export function timesAndTexts(out: Out[]): [number, string][] {
  return out.map(({ at, bytes }) => [at, text(bytes)]);
}

/** All that comes out of `stage` for `input`, chunk by chunk. */
export function through(
  input: Uint8Array[],
  stage: Stage,
): Promise<Uint8Array[]> {
  return Array.fromAsync(ReadableStream.from(input).pipeThrough(stage));
}

/** All bytes that come out of `stage` for `input`. */
export async function bytesThrough(
  input: Uint8Array[],
  stage: Stage,
): Promise<Uint8Array> {
  return joined(await through(input, stage));
}

/**
 * Writes chunks to a stage that nobody reads until it takes no more.
 *
 * @returns How many bytes it has taken.
 */
export async function fill(stage: Stage, chunk: Uint8Array): Promise<number> {
  const writer = stage.writable.getWriter();
  let taken = 0;
  for (;;) {
    await turn();
    if ((writer.desiredSize ?? 0) <= 0) return taken;
    writer.write(chunk).catch(() => {});
    taken += chunk.length;
  }
}
