/**
 * Runs a probe: opens its connections, tells them when to send and when to give
 * up, and ends it.
 *
 * @module
 */

import type { Location } from "../options/location.ts";
import { pause } from "../util/async.ts";
import { Client, type ClientContext } from "./client.ts";
import { connect, withAddress } from "./connect.ts";
import { DatagramClient } from "./datagram_client.ts";
import type { DatagramWire } from "./datagram_wire.ts";
import { cannotConnect, kindOf, refusalOf, showTarget } from "./errors.ts";
import type { ProbeProgress, ProbeSettings } from "./options.ts";
import { Payload } from "./payload.ts";
import { RateSeries } from "./rate_series.ts";
import { type ProbeReport, reportOf } from "./report.ts";
import {
  type LineSource,
  type Pace,
  Schedule,
  SingleLine,
} from "./schedule.ts";
import { Tally } from "./tally.ts";
import type { ProbeWire } from "./wire.ts";

/** Milliseconds between two looks at how it goes. */
const SAMPLE_INTERVAL = 100;

/** Milliseconds between two looks for lines that are late, at most. */
const LONGEST_SWEEP = 100;
/** Looks within one time-out. */
const SWEEPS = 10;

/** Milliseconds before a server that refused is asked again. */
const REFUSED_PAUSE = 100;

/** What a probe found, and what its drawings are made from. */
export interface ProbeResult {
  report: ProbeReport;
  tally: Tally;
  rates: RateSeries;
}

/** What goes on in a probe, and is told when to act. */
interface Session {
  /** A line may be due. */
  wake(now: number): void;
  /** Gives up what is late. */
  sweep(now: number): void;
  /** Ends if there is nothing more to do. */
  settle(): void;
  /** Ends at once. */
  abort(): void;
}

/**
 * Runs a probe to its end.
 *
 * @param target Where to.
 * @param settings What to do.
 * @throws {Error} If there can be no connection: the name does not resolve, the
 * certificate is not trusted, a permission is missing.
 */
export async function runProbe(
  target: Location,
  settings: ProbeSettings,
): Promise<ProbeResult> {
  return await new Runner(target, settings).run();
}

class Runner {
  readonly #target: Location;
  /** The target; for UDP its name has been resolved. */
  #address: Location;
  readonly #settings: ProbeSettings;
  readonly #tally: Tally;
  readonly #schedule: Schedule;
  readonly #context: ClientContext;
  readonly #sessions = new Set<Session>();
  /** Aborts when nothing more is to be sent. */
  readonly #over = new AbortController();
  #rates = new RateSeries(performance.now());
  /** When the first connection began to send. */
  #started: number | undefined;
  /** When there was nothing more to send. */
  #stopped = 0;
  /** The number of the last connection. */
  #number = 0;
  #aborted = false;
  /** What the caller's `onProgress` has thrown. */
  #failure: { error: unknown } | undefined;

  constructor(target: Location, settings: ProbeSettings) {
    const { size, seed, reconnect, rate } = settings;
    this.#target = target;
    this.#address = target;
    this.#settings = settings;
    this.#tally = new Tally(rate > 0);
    this.#context = {
      settings: reconnect ? { ...settings, inFlight: 1 } : settings,
      payload: new Payload(size, seed),
      tally: this.#tally,
    };
    this.#schedule = new Schedule({
      ...settings,
      onDue: (now) => this.#each((session) => session.wake(now)),
      onOver: () => this.#stopSending(),
    });
  }

  async run(): Promise<ProbeResult> {
    const { signal, timeout } = this.#settings;
    const abort = () => this.#abort();
    const sweep = Math.min(timeout * 1000 / SWEEPS, LONGEST_SWEEP);
    const timers = [
      setInterval(() => this.#sweep(), sweep),
      setInterval(() => this.#sample(), SAMPLE_INTERVAL),
    ];
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    try {
      await this.#resolve();
      await this.#runAll();
      if (this.#failure) throw this.#failure.error;
      return this.#result();
    } finally {
      signal?.removeEventListener("abort", abort);
      for (const timer of timers) clearInterval(timer);
      this.#schedule.stop();
    }
  }

  /** Resolves the name, once for all UDP sockets. */
  async #resolve(): Promise<void> {
    if (this.#aborted) return;
    try {
      this.#address = await withAddress(this.#target);
    } catch (error) {
      if (!this.#aborted) throw cannotConnect(this.#target, error);
    }
  }

  /** Runs all connections to their end. */
  async #runAll(): Promise<void> {
    const { connections, reconnect } = this.#settings;
    const length = this.#aborted ? 0 : connections;
    const runs = Array.from({ length }, (_, index) => {
      const pace = this.#schedule.pace(index);
      return reconnect ? this.#reconnect(pace) : this.#once(pace);
    });
    try {
      await Promise.all(runs);
    } catch (error) {
      this.#abort();
      await Promise.allSettled(runs);
      throw error;
    }
  }

  /** One connection that sends all its lines. */
  async #once(pace: Pace): Promise<void> {
    const wire = await this.#connect();
    if (!wire) return;
    this.#begin(pace);
    await this.#serve(wire, pace);
  }

  /** A connection for each line. */
  async #reconnect(pace: Pace): Promise<void> {
    this.#begin(pace);
    for (;;) {
      const due = await this.#turn(pace);
      if (Number.isNaN(due)) return;
      const wire = await this.#connect();
      if (wire) {
        // In a closed loop no line was due while its connection was opened.
        const { rate } = this.#settings;
        await this.#serve(wire, new SingleLine(rate > 0 ? due : undefined));
      } else if (!this.#aborted) {
        await pause(REFUSED_PAUSE, this.#over.signal);
      }
    }
  }

  /** Waits for a line to be due; NaN if there will be none. */
  async #turn(pace: Pace): Promise<number> {
    const due = pace.take(performance.now());
    if (!Number.isNaN(due) || this.#schedule.over) return due;
    const turn = new Turn(pace);
    this.#sessions.add(turn);
    try {
      return await turn.due;
    } finally {
      this.#sessions.delete(turn);
    }
  }

  async #serve(
    wire: ProbeWire | DatagramWire,
    source: LineSource,
  ): Promise<void> {
    const number = ++this.#number;
    this.#tally.connections++;
    const client = "read" in wire
      ? new Client(wire, number, source, this.#context)
      : new DatagramClient(wire, number, source, this.#context);
    this.#sessions.add(client);
    try {
      await client.run();
    } finally {
      this.#sessions.delete(client);
    }
  }

  /** Opens a connection; undefined if there is none, which has been counted. */
  async #connect(): Promise<ProbeWire | DatagramWire | undefined> {
    const attempt = new Attempt(this.#settings.timeout);
    this.#sessions.add(attempt);
    try {
      const wire = await connect(this.#address, this.#settings, attempt.signal);
      if ("read" in wire) {
        this.#tally.connects.record(performance.now() - attempt.since);
      }
      if (!this.#aborted) return wire;
      wire.close();
    } catch (error) {
      if (!this.#aborted) this.#countRefusal(error, attempt.signal.aborted);
    } finally {
      this.#sessions.delete(attempt);
    }
  }

  #countRefusal(error: unknown, timedOut: boolean): void {
    const kind = timedOut ? "timeout" : kindOf(error);
    if (!kind) throw cannotConnect(this.#target, error);
    this.#tally.error(
      kind,
      timedOut ? this.#noConnection() : refusalOf(this.#target, error),
    );
  }

  #noConnection(): string {
    const step = this.#target.transport === "tls"
      ? "TLS handshake"
      : "connection";
    return `no ${step} within ${this.#settings.timeout} s`;
  }

  /** A connection begins to send. Time counts from the first one. */
  #begin(pace: Pace): void {
    const now = performance.now();
    if (this.#started === undefined) {
      this.#started = now;
      this.#rates = new RateSeries(now);
      this.#schedule.start(now);
    }
    pace.begin(now);
  }

  #stopSending(): void {
    if (this.#over.signal.aborted) return;
    this.#stopped = performance.now();
    this.#over.abort();
    // Called in the middle of a client's work, which comes first.
    queueMicrotask(() => this.#each((session) => session.settle()));
  }

  #abort(): void {
    this.#aborted = true;
    this.#schedule.stop();
    this.#each((session) => session.abort());
  }

  #sweep(): void {
    const now = performance.now();
    this.#each((session) => session.sweep(now));
  }

  #each(tell: (session: Session) => void): void {
    for (const session of this.#sessions) tell(session);
  }

  #sample(): void {
    const { duration } = this.#settings;
    if (this.#started === undefined || this.#schedule.over) return;
    const now = performance.now();
    const { lines, latencies, failures } = this.#tally;
    const linesPerSecond = this.#rates.sample(lines, now);
    const seconds = (now - this.#started) / 1000;
    this.#tell({
      seconds,
      secondsLeft: duration && Math.max(0, duration - seconds),
      lines,
      linesPerSecond,
      p50: latencies.percentile(0.5),
      p99: latencies.percentile(0.99),
      errors: failures,
    });
  }

  /** Tells the caller; if that fails, it ends the probe. */
  async #tell(progress: ProbeProgress): Promise<void> {
    try {
      await this.#settings.onProgress?.(progress);
    } catch (error) {
      this.#failure ??= { error };
      this.#abort();
    }
  }

  #result(): ProbeResult {
    const { lines, lastAnswer, lastSent, lastError } = this.#tally;
    const end = Math.max(lastAnswer, lastSent, lastError, this.#stopped);
    this.#rates.finish(lines, end);
    const seconds = Math.max(0, end - (this.#started ?? end)) / 1000;
    const { size, greeting } = this.#settings;
    const target = showTarget(this.#target);
    const complete = this.#schedule.over;
    const aborted = this.#aborted;
    const about = { target, size, seconds, greeting, complete, aborted };
    const report = reportOf(this.#tally, about);
    return { report, tally: this.#tally, rates: this.#rates };
  }
}

/** A connection that is being opened. */
class Attempt implements Session {
  readonly since = performance.now();
  readonly #timeout: number;
  readonly #controller = new AbortController();

  constructor(seconds: number) {
    this.#timeout = seconds * 1000;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  sweep(now: number): void {
    if (now - this.since > this.#timeout) this.abort();
  }

  abort(): void {
    this.#controller.abort();
  }

  wake(): void {}
  settle(): void {}
}

/** A wait for the next line to be due. */
class Turn implements Session {
  readonly due: Promise<number>;
  readonly #pace: Pace;
  readonly #resolve: (due: number) => void;

  constructor(pace: Pace) {
    this.#pace = pace;
    const { promise, resolve } = Promise.withResolvers<number>();
    this.due = promise;
    this.#resolve = resolve;
  }

  wake(now: number): void {
    this.#pace.wasFree(now);
    const due = this.#pace.take(now);
    if (!Number.isNaN(due)) this.#resolve(due);
  }

  settle(): void {
    this.#resolve(NaN);
  }

  abort(): void {
    this.#resolve(NaN);
  }

  sweep(): void {}
}
