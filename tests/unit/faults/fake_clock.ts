import { setImmediate as turn } from "node:timers/promises";
import { AlarmClock } from "../../../lib/faults/clock.ts";

/** A clock that stands still until it is told to go on. */
export class FakeClock extends AlarmClock {
  readonly #hand: Hand;

  constructor() {
    const hand: Hand = { time: 0, timers: 0 };
    super({
      now: () => hand.time,
      set(delay, wake) {
        hand.timers++;
        hand.next = { time: hand.time + delay, wake };
        return () => void (delete hand.next);
      },
    });
    this.#hand = hand;
  }

  /** How many timers have been set. */
  get timers(): number {
    return this.#hand.timers;
  }

  /** Whether a timer is set. */
  get waits(): boolean {
    return this.#hand.next !== undefined;
  }

  /** Lets so many milliseconds go by in which the thread does nothing. */
  stall(milliseconds: number): void {
    this.#hand.time += milliseconds;
  }

  /**
   * Lets so many milliseconds go by. At each timer, streams get the time to move
   * all that they can.
   */
  async advance(milliseconds: number): Promise<void> {
    const hand = this.#hand;
    const end = hand.time + milliseconds;
    await turn();
    for (let next; (next = hand.next) && next.time <= end;) {
      delete hand.next;
      hand.time = Math.max(hand.time, next.time);
      next.wake();
      await turn();
    }
    hand.time = end;
  }
}

interface Hand {
  time: number;
  timers: number;
  next?: { time: number; wake: () => void };
}
