/**
 * When delayed bytes go on: any number of wake-ups on one timer.
 *
 * @module
 */

/** A wake-up that has been asked for. */
export interface Alarm {
  /** Takes it back. Doing so twice, or when it is over, is fine. */
  cancel(): void;
}

/** A clock that can wake. Its times are in milliseconds. */
export interface Clock {
  /** The time: it never goes back. */
  now(): number;
  /**
   * Calls `wake` once, at `time` or somewhat later. Of several with the same
   * time, the one asked for first is called first.
   *
   * @throws {RangeError} If `time` is no number.
   */
  at(time: number, wake: () => void): Alarm;
}

/** What an {@linkcode AlarmClock} runs on. Times are in milliseconds. */
export interface Timer {
  /** The time: it never goes back. */
  now(): number;
  /**
   * Calls `wake` once, after `delay` or a little earlier or later.
   *
   * @returns Takes it back.
   */
  set(delay: number, wake: () => void): () => void;
}

/** The time of the thread. */
const THREAD: Timer = {
  now: () => performance.now(),
  set(delay, wake) {
    const id = setTimeout(wake, delay);
    return () => clearTimeout(id);
  },
};

interface Entry {
  readonly time: number;
  /** How many were asked for before it. */
  readonly order: number;
  readonly wake: () => void;
  /** Where it is in the heap; -1 when it is not. */
  index: number;
}

/**
 * A {@linkcode Clock} that sets one timer, for the first of its alarms, however
 * many wait: a binary heap. A timer that fires serves all that is due, so there
 * is no more than one wake-up of the thread a millisecond.
 */
export class AlarmClock implements Clock {
  readonly #timer: Timer;
  /** No entry comes before the one at half its index. */
  readonly #heap: Entry[] = [];
  #asked = 0;
  /** When the timer that is set will fire, and what takes it back. */
  #setFor = Infinity;
  #clear: (() => void) | undefined;

  /** @param timer What it runs on. */
  constructor(timer: Timer = THREAD) {
    this.#timer = timer;
  }

  now(): number {
    return this.#timer.now();
  }

  at(time: number, wake: () => void): Alarm {
    // Among the others it would have no place, and none of them would be woken.
    if (Number.isNaN(time)) throw new RangeError("Cannot wake at NaN");
    const entry = { time, order: this.#asked++, wake, index: -1 };
    this.#rise(entry, this.#heap.length);
    this.#arm();
    return {
      cancel: () => {
        this.#remove(entry);
        this.#arm();
      },
    };
  }

  /** Takes all alarms back. */
  cancelAll(): void {
    for (let first; (first = this.#heap[0]);) this.#remove(first);
    this.#arm();
  }

  /**
   * Sets the timer if it would come too late. One that comes too early may stay
   * but if nothing waits: it would keep the process alive.
   */
  #arm(): void {
    const first = this.#heap[0]?.time ?? Infinity;
    if (first >= this.#setFor && first !== Infinity) return;
    this.#clear?.();
    this.#clear = undefined;
    this.#setFor = first;
    if (first === Infinity) return;
    // Whole milliseconds: a timer rounds down, and would come too early.
    const delay = Math.max(0, Math.ceil(first - this.now()));
    this.#clear = this.#timer.set(delay, () => this.#fire());
  }

  #fire(): void {
    this.#clear = undefined;
    const now = this.now();
    // While it lasts, no alarm sets the timer.
    this.#setFor = -Infinity;
    try {
      for (let first; (first = this.#heap[0]) && first.time <= now;) {
        this.#remove(first);
        first.wake();
      }
    } finally {
      this.#setFor = Infinity;
      this.#arm();
    }
  }

  #remove(entry: Entry): void {
    const { index } = entry;
    if (index < 0) return;
    entry.index = -1;
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#sink(last, index);
    this.#rise(last, last.index);
  }

  /** Puts `entry` at `index` or nearer to the front. */
  #rise(entry: Entry, index: number): void {
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(entry, this.#heap[parent]!)) break;
      this.#put(this.#heap[parent]!, index);
      index = parent;
    }
    this.#put(entry, index);
  }

  /** Puts `entry` at `index` or farther from the front. */
  #sink(entry: Entry, index: number): void {
    const { length } = this.#heap;
    for (let child; (child = 2 * index + 1) < length;) {
      const other = child + 1;
      if (other < length && before(this.#heap[other]!, this.#heap[child]!)) {
        child = other;
      }
      if (!before(this.#heap[child]!, entry)) break;
      this.#put(this.#heap[child]!, index);
      index = child;
    }
    this.#put(entry, index);
  }

  #put(entry: Entry, index: number): void {
    this.#heap[index] = entry;
    entry.index = index;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.time < b.time || a.time === b.time && a.order < b.order;
}

/** The clock that everything in this thread shares. */
export const threadClock: Clock = new AlarmClock();
