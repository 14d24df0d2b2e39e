/**
 * What a listener has served, counted in cells that threads can share.
 *
 * @module
 */

import type { Ending, RejectReason } from "./events.ts";
import {
  Histogram,
  type HistogramSnapshot,
  sumHistograms,
} from "./histogram.ts";

/** What a listener has served until one moment. */
export interface ListenerSnapshot {
  /** Connections accepted: those open, closed and rejected. */
  accepted: number;
  /** Connections open, those that are not yet admitted included. */
  open: number;
  /** Connections closed, by how they ended. */
  closed: Record<Ending, number>;
  /** Connections rejected, by the reason. */
  rejected: Record<RejectReason, number>;
  /** Clients that had gone before they were accepted; not in `accepted`. */
  abortedBeforeAccept: number;
  /** Bytes received, by connections and in datagrams. */
  bytesIn: number;
  /** Bytes sent, by connections and in datagrams. */
  bytesOut: number;
  /** Datagrams received. */
  datagramsIn: number;
  /** Datagrams sent. */
  datagramsOut: number;
  /** How long the closed connections lasted. */
  durations: HistogramSnapshot;
}

// A cell for each, so that a new ending or reason cannot be forgotten here.
const CLOSED: Record<Ending, number> = {
  closed: 0,
  reset: 1,
  failed: 2,
  idle: 3,
  drained: 4,
  deadline: 5,
};
const REJECTED: Record<RejectReason, number> = {
  access: 6,
  per_address: 7,
  proxy: 8,
  handshake: 9,
};
const ACCEPTED = 10;
const ABORTED = 11;
const BYTES_IN = 12;
const BYTES_OUT = 13;
const DATAGRAMS_IN = 14;
const DATAGRAMS_OUT = 15;
const DURATIONS = 16;

/** All endings, in the order in which they are shown. */
export const ENDINGS: readonly Ending[] = Object.keys(CLOSED) as Ending[];

/** All reasons, in the order in which they are shown. */
export const REJECT_REASONS: readonly RejectReason[] = Object.keys(
  REJECTED,
) as RejectReason[];

/**
 * Counts for one listener in one thread; nothing is allocated for an event.
 *
 * The cells may lie in a `SharedArrayBuffer`: one thread counts, any thread takes
 * snapshots. A 64-bit machine writes a cell in one piece.
 */
export class Counters {
  /** How many cells it takes. */
  static readonly LENGTH: number = DURATIONS + Histogram.LENGTH;

  readonly #cells: Float64Array;
  readonly #durations: Histogram;

  /**
   * @param cells Where it counts: {@linkcode Counters.LENGTH} of them.
   * @throws {RangeError} If there are more or less.
   */
  constructor(cells: Float64Array = new Float64Array(Counters.LENGTH)) {
    if (cells.length !== Counters.LENGTH) {
      throw new RangeError(
        `Cannot count: ${Counters.LENGTH} cells are needed: ${cells.length}`,
      );
    }
    this.#cells = cells;
    this.#durations = new Histogram(cells.subarray(DURATIONS));
  }

  /** A connection was accepted. */
  accept(): void {
    this.#cells[ACCEPTED]!++;
  }

  /** An accepted connection was rejected. */
  reject(reason: RejectReason): void {
    this.#cells[REJECTED[reason]]!++;
  }

  /** A client had gone before it was accepted. */
  abort(): void {
    this.#cells[ABORTED]!++;
  }

  /** An accepted connection has ended, after so many seconds and bytes. */
  close(
    ending: Ending,
    seconds: number,
    bytesIn: number,
    bytesOut: number,
  ): void {
    const cells = this.#cells;
    cells[CLOSED[ending]]!++;
    cells[BYTES_IN]! += bytesIn;
    cells[BYTES_OUT]! += bytesOut;
    this.#durations.observe(seconds);
  }

  /** A datagram of so many bytes was received. */
  datagramIn(bytes: number): void {
    this.#cells[DATAGRAMS_IN]!++;
    this.#cells[BYTES_IN]! += bytes;
  }

  /** A datagram of so many bytes was sent. */
  datagramOut(bytes: number): void {
    this.#cells[DATAGRAMS_OUT]!++;
    this.#cells[BYTES_OUT]! += bytes;
  }

  /**
   * What has been counted until now.
   *
   * @param open Bytes that the open connections have moved, to be added.
   */
  snapshot(
    open: { bytesIn: number; bytesOut: number } = { bytesIn: 0, bytesOut: 0 },
  ): ListenerSnapshot {
    const cells = this.#cells;
    const closed = pick(cells, CLOSED);
    const rejected = pick(cells, REJECTED);
    const ended = total(closed) + total(rejected);
    // Another thread may have counted on since the lines above.
    const accepted = Math.max(cells[ACCEPTED]!, ended);
    return {
      accepted,
      open: accepted - ended,
      closed,
      rejected,
      abortedBeforeAccept: cells[ABORTED]!,
      bytesIn: cells[BYTES_IN]! + open.bytesIn,
      bytesOut: cells[BYTES_OUT]! + open.bytesOut,
      datagramsIn: cells[DATAGRAMS_IN]!,
      datagramsOut: cells[DATAGRAMS_OUT]!,
      durations: this.#durations.snapshot(),
    };
  }
}

/** What two listeners, or two threads of one, have served together. */
export function sumSnapshots(
  a: ListenerSnapshot,
  b: ListenerSnapshot,
): ListenerSnapshot {
  return {
    accepted: a.accepted + b.accepted,
    open: a.open + b.open,
    closed: sumRecords(a.closed, b.closed),
    rejected: sumRecords(a.rejected, b.rejected),
    abortedBeforeAccept: a.abortedBeforeAccept + b.abortedBeforeAccept,
    bytesIn: a.bytesIn + b.bytesIn,
    bytesOut: a.bytesOut + b.bytesOut,
    datagramsIn: a.datagramsIn + b.datagramsIn,
    datagramsOut: a.datagramsOut + b.datagramsOut,
    durations: sumHistograms(a.durations, b.durations),
  };
}

type Counts<K extends string> = Record<K, number>;

function pick<K extends string>(
  cells: Float64Array,
  of: Counts<K>,
): Counts<K> {
  return mapCounts(of, (_, cell) => cells[cell]!);
}

function sumRecords<K extends string>(
  a: Counts<K>,
  b: Counts<K>,
): Counts<K> {
  return mapCounts(a, (key, count) => count + b[key]);
}

function mapCounts<K extends string>(
  counts: Counts<K>,
  map: (key: K, count: number) => number,
): Counts<K> {
  const entries = Object.entries<number>(counts)
    .map(([key, count]) => [key, map(key as K, count)]);
  return Object.fromEntries(entries);
}

function total(counts: Counts<string>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
