/**
 * All faults of a listener: which connection or datagram gets which, and in
 * which order they are applied.
 *
 * @module
 */

import { fraction, hash, seedOf } from "../util/random.ts";
import type { Clock } from "./clock.ts";
import { corrupt, corrupter } from "./corrupt.ts";
import { holdingStream, type Release } from "./holding_stream.ts";
import { DelayLine, delayOf } from "./latency.ts";
import { limit } from "./limit.ts";
import { isLost } from "./loss.ts";
import { tokenBucket } from "./rate.ts";
import { isAffected } from "./share.ts";
import { slice } from "./slice.ts";
import { lateEnd } from "./slow_close.ts";

/**
 * The faults of a listener: of the built-in echo, and of UDP. Times are in
 * seconds, sizes in bytes; what is left out does not happen.
 */
export interface FaultSettings {
  /** Seconds before anything goes back, 0 to 86400, fractions too. */
  latency?: number;
  /**
   * Random variation of `latency`: at most this many seconds more or less, 0 to
   * 86400, fractions too. One draw for each line, in raw mode for each read.
   */
  jitter?: number;
  /** At most this many bytes a second go back, 1 to 1000000000000. Not for `udp`. */
  rate?: number;
  /** At most this many bytes go back in one write, 1 to 16777216. Not for `udp`. */
  slice?: number;
  /** FIN comes after this many bytes, 0 to 1000000000000. Not for `udp`. */
  limit?: number;
  /**
   * Nothing goes back, and the connection is closed after this many seconds, 0 to
   * 86400, fractions too; 0 is never. Not for `udp`.
   */
  blackhole?: number;
  /** Seconds before FIN, 0 to 86400, fractions too. Not for `udp`. */
  slowClose?: number;
  /** Probability that a byte goes back changed, 0 to 1. */
  corrupt?: number;
  /** Probability that a datagram is dropped, 0 to 1. For `udp`. */
  loss?: number;
  /**
   * Share of the connections (`udp`: of the datagrams) that have the faults, 0 to
   * 1.
   *
   * @default {1}
   */
  share?: number;
  /**
   * Whole number, 0 to 9007199254740991: with the same seed, the n-th connection
   * of the listener has the same faults again. With workers each thread counts its
   * own: a replay needs one thread. Without a seed one is drawn, and told by a
   * `seed` event.
   */
  seed?: number;
}

/** {@linkcode FaultSettings} whose seed has been drawn. */
export type SeededFaults = FaultSettings & { readonly seed: number };

/** Draws the seed, unless it is given. */
export function seeded(faults: FaultSettings): SeededFaults {
  return { ...faults, seed: seedOf(faults.seed) };
}

/**
 * Makes the streams through which the lines of a connection go back; none if it
 * is not affected.
 *
 * @param connection The connection's number at its listener.
 * @param mode What jitter is drawn for: lines, or chunks.
 * @param clock What they wait by; the thread's if there is none.
 */
export function faultStages(
  faults: SeededFaults,
  connection: number,
  mode: "line" | "raw",
  clock?: Clock,
): TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>[] {
  const { seed, share = 1, jitter = 0 } = faults;
  const { latency: delay = jitter > 0 ? 0 : undefined } = faults;
  if (!isAffected(seed, connection, share)) return [];
  const draws = { seed, connection };
  const hold = (release: Release) => holdingStream(release, clock);
  const stages: TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>[] = [];
  const add = <T>(
    value: T | undefined,
    stage: (value: T) => TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>,
  ) => {
    if (value !== undefined) stages.push(stage(value));
  };
  // What changes bytes comes first, so that nothing waits that never goes back.
  // Then what delays them: latency counts from when they were read, and the
  // rate is that of the delayed bytes. What shapes writes and the end comes
  // last, or the stages before would undo it.
  add(faults.limit, limit);
  add(faults.corrupt, (value) => corrupt(value, draws));
  add(delay, (value) => hold(new DelayLine(value, { jitter, mode, ...draws })));
  add(faults.rate, (value) => hold(tokenBucket(value)));
  add(faults.slice, slice);
  add(faults.slowClose, (value) => hold(lateEnd(value)));
  return stages;
}

/**
 * How long a connection is a black hole, in seconds; undefined if it is none.
 *
 * @param connection The connection's number at its listener.
 */
export function blackholeSeconds(
  { seed, share = 1, blackhole }: SeededFaults,
  connection: number,
): number | undefined {
  return isAffected(seed, connection, share) ? blackhole : undefined;
}

/** What happens to the n-th datagram of a listener. */
export interface DatagramFaults {
  /** Whether it is dropped. */
  drop(n: number): boolean;
  /** Seconds that it waits before it goes back. */
  delay(n: number): number;
  /** What goes back: `bytes` itself, or a copy with bytes that are wrong. */
  corrupt(n: number, bytes: Uint8Array): Uint8Array;
}

/** The faults of a listener of datagrams. */
export function datagramFaults(faults: SeededFaults): DatagramFaults {
  const { seed, share = 1, loss = 0, latency = 0, jitter = 0 } = faults;
  const probability = faults.corrupt ?? 0;
  const affected = (n: number) => isAffected(seed, n, share);
  return {
    drop: (n) => affected(n) && isLost(seed, n, loss),
    delay: (n) =>
      affected(n) ? delayOf(latency, jitter, fraction("jitter", seed, n)) : 0,
    corrupt: (n, bytes) =>
      affected(n)
        ? corrupter(probability, hash("corrupt", seed, n))(bytes)
        : bytes,
  };
}
