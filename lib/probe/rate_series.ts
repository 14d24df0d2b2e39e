/**
 * The rate over time, in a bounded number of samples.
 *
 * @module
 */

/** Samples that are kept at most. */
const MOST = 256;

/** One stretch of time. */
interface Sample {
  milliseconds: number;
  lines: number;
}

/** Samples of a growing count; when there are many, neighbours are joined. */
export class RateSeries {
  #samples: Sample[] = [];
  /** Samples that are joined into each that is kept. */
  #joined = 1;
  #pending = 0;
  #lines = 0;
  #time: number;

  /** @param now When it begins, in milliseconds. */
  constructor(now: number) {
    this.#time = now;
  }

  /**
   * Takes a sample.
   *
   * @param lines How many there have been so far.
   * @param now In milliseconds.
   * @returns Lines a second since the last sample.
   */
  sample(lines: number, now: number): number {
    const sample = {
      milliseconds: now - this.#time,
      lines: lines - this.#lines,
    };
    this.#time = now;
    this.#lines = lines;
    if (sample.milliseconds <= 0) return 0;
    if (this.#pending === 0) this.#samples.push(sample);
    else join(this.#samples.at(-1)!, sample);
    this.#pending = (this.#pending + 1) % this.#joined;
    if (this.#samples.length > MOST) this.#halve();
    return sample.lines / sample.milliseconds * 1000;
  }

  /** Adds what has come since the last sample to it. */
  finish(lines: number, now: number): void {
    const last = this.#samples.at(-1);
    if (!last) return;
    const milliseconds = Math.max(0, now - this.#time);
    join(last, { milliseconds, lines: lines - this.#lines });
  }

  /** Lines a second, over so many equal parts of the time, or fewer. */
  rates(most: number): number[] {
    const step = Math.max(1, this.#samples.length / most);
    const rates: number[] = [];
    for (let at = 0; at < this.#samples.length; at += step) {
      const whole = { milliseconds: 0, lines: 0 };
      const part = this.#samples.slice(Math.floor(at), Math.floor(at + step));
      for (const sample of part) join(whole, sample);
      rates.push(whole.lines / whole.milliseconds * 1000);
    }
    return rates;
  }

  #halve(): void {
    for (let i = 0; i + 1 < this.#samples.length; i += 2) {
      join(this.#samples[i]!, this.#samples[i + 1]!);
    }
    this.#samples = this.#samples.filter((_, i) => i % 2 === 0);
    this.#joined *= 2;
    // One more than an even number were there: the last had nobody to join.
    this.#pending = this.#joined / 2;
  }
}

function join(into: Sample, { milliseconds, lines }: Sample): void {
  into.milliseconds += milliseconds;
  into.lines += lines;
}
