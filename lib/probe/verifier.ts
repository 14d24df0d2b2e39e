/**
 * Compares what comes back on a stream with what was sent on it.
 *
 * @module
 */

import { LF } from "../lines/line_feed.ts";
import {
  allocate,
  equalBytes,
  equalWords,
  type LineName,
  type Memory,
  type Payload,
} from "./payload.ts";

/**
 * Skipped lines that are remembered, so that one that comes after all is known
 * to be out of order.
 */
const REMEMBERED = 65_536;

/** What may be found in a stream. */
export interface Findings {
  /** Line `number` has come back right and in order. */
  right(number: number): void;
  /** Line `number` has come back, and is wrong. */
  wrong(number: number, what: string): void;
  /**
   * A later line has come back, and this one not.
   *
   * @returns Whether it counts as lost.
   */
  skipped(number: number): boolean;
  /** A skipped line has come back after all. */
  misordered(number: number, wasLost: boolean): void;
  /** Bytes have come that answer no line. */
  unasked(what: string): void;
}

/** The last lines that were sent, so that they need not be made again. */
export interface Kept {
  /** Line `number` is at its remainder by `lines`, times its size. */
  readonly memory: Memory;
  /** How many. */
  readonly lines: number;
}

/**
 * Takes the bytes of one connection as they come. As long as all is right it
 * compares them where they are; from a byte that is wrong on it collects them
 * up to the next LF, or the length of a line, and finds out what that is.
 */
export class Verifier {
  readonly #payload: Payload;
  readonly #connection: number;
  readonly #findings: Findings;
  readonly #kept: Kept | undefined;
  /** The expected line, where it is not kept. */
  readonly #made: Memory;
  readonly #skipped = new Map<number, boolean>();
  /** The line that must come next. */
  #expected = 0;
  /** Lines that have been sent: those below this number. */
  #sent = 0;
  /** Bytes of the expected line that have come; they were right. */
  #matched = 0;
  /** Whether `#made` has the expected line. */
  #filled = false;
  /** Where the expected line is. */
  #memory: Memory;
  #start = 0;
  /** Whether something is wrong, and the bytes go into `#record`. */
  #collecting = false;
  #record: Uint8Array<ArrayBuffer> | undefined;
  #recorded = 0;
  /** Whether the rest of a line that was wrong may still come. */
  #lostTrack = false;
  /** Bytes of a line that was wrong and cut short by an LF, if it was. */
  #owed = 0;

  /**
   * @param payload Makes the lines that are expected.
   * @param connection The connection's number.
   * @param findings Is told what is found.
   * @param kept What was sent, as far as it is kept.
   */
  constructor(
    payload: Payload,
    connection: number,
    findings: Findings,
    kept?: Kept,
  ) {
    this.#payload = payload;
    this.#connection = connection;
    this.#findings = findings;
    this.#kept = kept;
    this.#made = allocate(payload.size);
    this.#memory = this.#made;
  }

  /** The line that must come next. */
  get expected(): number {
    return this.#expected;
  }

  /** Takes bytes, of which the first `length` have come. */
  push(memory: Memory, length: number, sent: number): void {
    this.#sent = sent;
    let at = 0;
    while (at < length) {
      at += this.#collecting
        ? this.#collect(memory.bytes, at, length)
        : this.#compare(memory, at, length);
    }
  }

  /** Returns how many bytes it took. */
  #compare(memory: Memory, at: number, end: number): number {
    const { size } = this.#payload;
    this.#locate();
    const wanted = Math.min(size - this.#matched, end - at);
    const from = this.#start + this.#matched;
    const equal = equalWords(memory, at, this.#memory, from, wanted);
    this.#matched += equal;
    if (equal < wanted || this.#expected >= this.#sent) {
      this.#startRecord();
    } else if (this.#matched === size) {
      this.#lostTrack = false;
      const number = this.#expected;
      this.#expect(number + 1);
      this.#findings.right(number);
    }
    return equal;
  }

  /**
   * Finds the expected line, or makes it: a line that timed out has given its
   * place to a later one.
   */
  #locate(): void {
    const { size } = this.#payload;
    const kept = this.#kept;
    const expected = this.#expected;
    if (
      kept && expected < this.#sent && expected >= this.#sent - kept.lines
    ) {
      this.#memory = kept.memory;
      this.#start = expected % kept.lines * size;
      return;
    }
    if (!this.#filled) {
      this.#payload.fill(this.#made, this.#connection, expected);
      this.#filled = true;
    }
    this.#memory = this.#made;
    this.#start = 0;
  }

  /** The bytes of the expected line. */
  #line(): Uint8Array {
    this.#locate();
    const start = this.#start;
    return this.#memory.bytes.subarray(start, start + this.#payload.size);
  }

  /** What matched so far begins the record. */
  #startRecord(): void {
    this.#record ??= new Uint8Array(this.#payload.size);
    this.#record.set(this.#line().subarray(0, this.#matched));
    this.#recorded = this.#matched;
    this.#matched = 0;
    this.#collecting = true;
    if (this.#recorded === this.#record.length) this.#endRecord();
  }

  /** Returns how many bytes it took. */
  #collect(bytes: Uint8Array, at: number, end: number): number {
    const record = this.#record!;
    const room = Math.min(record.length - this.#recorded, end - at);
    const lf = bytes.subarray(at, at + room).indexOf(LF);
    const taken = lf < 0 ? room : lf + 1;
    record.set(bytes.subarray(at, at + taken), this.#recorded);
    this.#recorded += taken;
    if (lf >= 0 || this.#recorded === record.length) this.#endRecord();
    return taken;
  }

  #endRecord(): void {
    const record = this.#record!.subarray(0, this.#recorded);
    this.#collecting = false;
    this.#judge(record);
    this.#lostTrack = record.at(-1) !== LF;
  }

  #judge(record: Uint8Array): void {
    const expected = this.#expected;
    const owed = this.#owed;
    this.#owed = 0;
    const asked = expected < this.#sent;
    const name = this.#payload.recognize(record);
    const ours = name !== undefined && name.connection === this.#connection &&
      name.number < this.#sent;
    if (ours && name.number >= expected) {
      this.#skipTo(name.number);
      this.#findings.right(name.number);
    } else if (ours) {
      this.#again(name.number);
    } else if (asked && (name || this.#resembles(record))) {
      const what = this.#difference(record, name);
      this.#expect(expected + 1);
      // It is counted: that it comes right later is no other error.
      this.#remember(expected, false);
      this.#owed = this.#payload.size - record.length;
      this.#findings.wrong(expected, what);
    } else if (!this.#lostTrack && record.length !== owed) {
      this.#findings.unasked(
        name
          ? `${foreign(name)}, which was not sent here`
          : `${record.length} unexpected bytes`,
      );
    }
  }

  /** A line has come that came earlier or was skipped. */
  #again(number: number): void {
    const wasLost = this.#skipped.get(number);
    if (wasLost === undefined) {
      this.#findings.unasked(`line ${number} came twice`);
    } else {
      this.#skipped.delete(number);
      this.#findings.misordered(number, wasLost);
    }
  }

  /** Expects what follows `number`. */
  #skipTo(number: number): void {
    for (let skipped = this.#expected; skipped < number; skipped++) {
      this.#remember(skipped, this.#findings.skipped(skipped));
    }
    this.#expect(number + 1);
  }

  /** A line has not come right, which counts as lost or as something else. */
  #remember(number: number, asLost: boolean): void {
    this.#skipped.set(number, asLost);
    for (const oldest of this.#skipped.keys()) {
      if (this.#skipped.size <= REMEMBERED) break;
      this.#skipped.delete(oldest);
    }
  }

  #expect(number: number): void {
    this.#expected = number;
    this.#matched = 0;
    this.#filled = false;
  }

  /** Whether a record is more like the expected line than like anything else. */
  #resembles(record: Uint8Array): boolean {
    if (record.length === this.#payload.size && !this.#lostTrack) return true;
    const line = this.#line();
    let end = 0;
    while (end < record.length && record.at(-1 - end) === line.at(-1 - end)) {
      end++;
    }
    const start = equalBytes(record, 0, line, 0, record.length);
    // An LF in place of another byte cuts a line in two.
    if (start > 0 && start === record.length - 1) return true;
    return start + end >= this.#payload.size / 2;
  }

  #difference(record: Uint8Array, name: LineName | undefined): string {
    const number = this.#expected;
    if (name) return `line ${number} came back as ${foreign(name)}`;
    if (isGreeting(record)) return `a greeting came in place of line ${number}`;
    const { size } = this.#payload;
    const at = equalBytes(record, 0, this.#line(), 0, record.length);
    const cut = record.length < size
      ? `, ${record.length} of ${size} bytes`
      : "";
    return `line ${number} differs at byte ${at}${cut}`;
  }
}

const GREETING = new TextEncoder().encode('{"name":');

function isGreeting(record: Uint8Array): boolean {
  return GREETING.every((byte, at) => record[at] === byte);
}

function foreign({ connection, number }: LineName): string {
  return `line ${number} of connection ${connection}`;
}
