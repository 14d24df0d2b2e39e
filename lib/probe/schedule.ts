/**
 * When a probe sends: as answers come (closed loop), or at a rate (open loop).
 * Times are in milliseconds, unless told otherwise.
 *
 * @module
 */

/** Where a connection gets its lines from. */
export interface LineSource {
  /**
   * Takes a line to be sent.
   *
   * @returns When its latency begins; NaN if no line is due.
   */
  take(now: number): number;
  /** The connection had room for a line until now. */
  wasFree(now: number): void;
  /** Whether there will never be another line. */
  readonly over: boolean;
}

/** What a schedule needs to know. */
export interface ScheduleOptions {
  /** Connections that share it. */
  connections: number;
  /** Lines a second over all connections; 0: as answers come. */
  rate: number;
  /** Lines, if something else does not end it earlier. */
  count: number | undefined;
  /** Seconds in which lines are due; without it, only the count ends it. */
  duration?: number | undefined;
  /** Called when a line is due on a connection that may be free. */
  onDue: (now: number) => void;
  /** Called when nothing more is to be sent, perhaps more than once. */
  onOver: () => void;
}

/** What all connections of a probe may send, and when. */
export class Schedule {
  /** Time between two lines of one connection; 0 in a closed loop. */
  readonly interval: number;
  /** Time between two lines of all connections. */
  readonly #step: number;
  readonly #duration: number;
  readonly #onDue: (now: number) => void;
  readonly #onOver: () => void;
  #left: number;
  #start = 0;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer ends; Infinity without one. */
  #alarm = Infinity;

  /** @param options How fast, and how long. */
  constructor(options: ScheduleOptions) {
    const { connections, rate, count, duration, onDue, onOver } = options;
    this.#step = rate > 0 ? 1000 / rate : 0;
    this.interval = this.#step * connections;
    this.#duration = (duration ?? Infinity) * 1000;
    this.#left = count ?? Infinity;
    this.#onDue = onDue;
    this.#onOver = onOver;
  }

  /** Whether nothing more is to be sent. */
  get over(): boolean {
    return this.#left === 0;
  }

  /** Makes the part of it that one connection follows. */
  pace(index: number): Pace {
    return new Pace(this, index);
  }

  /** Starts the clock, once. */
  start(now: number): void {
    this.#start = now;
    if (this.#duration === Infinity) return;
    this.#deadline = setTimeout(() => this.stop(), this.#duration);
  }

  /** When connection `index` has its first line due that is not yet past. */
  firstDue(index: number, now: number): number {
    if (this.interval === 0) return now;
    const offset = this.#start + index * this.#step;
    const passed = Math.ceil((now - offset) / this.interval);
    return offset + Math.max(0, passed) * this.interval;
  }

  /**
   * Whether a line would be due when the time is over: of ten a second, ten are
   * sent in one second and not eleven. Half the time between two lines covers
   * what adding has rounded.
   */
  isTooLate(due: number): boolean {
    return due > this.#start + this.#duration - this.#step / 2;
  }

  /** Takes a line to be sent, if there is one left. */
  take(): boolean {
    if (this.#left === 0) return false;
    if (--this.#left === 0) this.stop();
    return true;
  }

  /** Sees to it that `onDue` is called then, or earlier. */
  wakeAt(due: number, now: number): void {
    if (due >= this.#alarm || this.over) return;
    clearTimeout(this.#timer);
    this.#alarm = due;
    this.#timer = setTimeout(() => {
      this.#alarm = Infinity;
      this.#onDue(performance.now());
    }, Math.max(0, due - now));
  }

  /** Nothing more is to be sent. */
  stop(): void {
    this.#left = 0;
    clearTimeout(this.#deadline);
    clearTimeout(this.#timer);
    this.#onOver();
  }
}

/** When one connection may send. */
export class Pace implements LineSource {
  readonly #schedule: Schedule;
  readonly #index: number;
  #due = NaN;
  #free = -Infinity;

  /**
   * @param schedule What all connections follow.
   * @param index Which connection, from 0.
   */
  constructor(schedule: Schedule, index: number) {
    this.#schedule = schedule;
    this.#index = index;
  }

  /** The connection can send. Lines that were due earlier are left out. */
  begin(now: number): void {
    this.#due = this.#schedule.firstDue(this.#index, now);
  }

  /**
   * The connection had room until now: a line that fell due meanwhile is late
   * because our timer was, not because of the server, and counts from now.
   */
  wasFree(now: number): void {
    this.#free = now;
  }

  get over(): boolean {
    return this.#schedule.over;
  }

  /** @returns When the line was due, if the connection was busy then. */
  take(now: number): number {
    const { interval } = this.#schedule;
    if (interval === 0) return this.#schedule.take() ? now : NaN;
    const due = this.#due;
    if (this.#schedule.isTooLate(due)) return NaN;
    if (due > now) {
      this.#schedule.wakeAt(due, now);
      return NaN;
    }
    if (!this.#schedule.take()) return NaN;
    this.#due += interval;
    return Math.max(due, this.#free);
  }
}

/** The one line of a connection that was opened for it. */
export class SingleLine implements LineSource {
  readonly #due: number | undefined;
  #taken = false;

  /** @param due When its latency begins; undefined: when it is sent. */
  constructor(due: number | undefined) {
    this.#due = due;
  }

  get over(): boolean {
    return this.#taken;
  }

  take(now: number): number {
    if (this.#taken) return NaN;
    this.#taken = true;
    return this.#due ?? now;
  }

  wasFree(): void {}
}
