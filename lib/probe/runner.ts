/**
 * Runs a probe: opens its connections, tells them when to send and when to give
 * up, and ends it.
 *
 * @module
 */

import type { ProbeWire } from "./wire.ts";
import { pause } from "../util/async.ts";
import { Client, type ClientContext, type LineSource } from "./client.ts";
import {
  cannotConnect,
  connect,
  kindOf,
  refusalOf,
  showTarget,
} from "./connect.ts";
import { DatagramClient } from "./datagram_client.ts";
import type { ProbeProgress, ProbeSettings, Target } from "./options.ts";
import { Payload } from "./payload.ts";
import { RateSeries } from "./rate_series.ts";
import { type ProbeReport, reportOf } from "./report.ts";
import { type Pace, Schedule } from "./schedule.ts";
import { Tally } from "./tally.ts";

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
  /** Whether the caller's signal ended it. */
  aborted: boolean;
}

/** What is told how time goes by. */
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
  target: Target,
  settings: ProbeSettings,
): Promise<ProbeResult> {
  return await new Runner(target, settings).run();
}

class Runner {
  readonly #target: Target;
  readonly #settings: ProbeSettings;
  readonly #tally: Tally;
  readonly #schedule: Schedule;
  readonly #context: ClientContext;
  readonly #sessions = new Set<Session>();
  /** Aborts when nothing more is to be sent. */
  readonly #over = new AbortController();
  #rates = new RateSeries(performance.now());
  #started: number | undefined;
  #stopped = 0;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #numbers = 0;
  #aborted = false;
  /** What the caller's `onProgress` has thrown. */
  #failure: { error: unknown } | undefined;

  constructor(target: Target, settings: ProbeSettings) {
    const { size, seed, reconnect, rate } = settings;
    this.#target = target;
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
    const { signal, timeout, connections, reconnect } = this.#settings;
    const abort = () => this.#abort();
    const sweep = Math.min(timeout * 1000 / SWEEPS, LONGEST_SWEEP);
    const timers = [
      setInterval(() => this.#sweep(), sweep),
      setInterval(() => this.#sample(), SAMPLE_INTERVAL),
    ];
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    try {
      const peer = await this.#peer();
      const length = this.#aborted ? 0 : connections;
      const lives = Array.from({ length }, (_, index) => {
        const pace = this.#schedule.pace(index);
        return reconnect ? this.#reconnect(pace, peer) : this.#once(pace, peer);
      });
      await Promise.all(lives).catch(async (error) => {
        abort();
        await Promise.allSettled(lives);
        throw error;
      });
      if (this.#failure) throw this.#failure.error;
      return this.#result();
    } finally {
      signal?.removeEventListener("abort", abort);
      for (const timer of timers) clearInterval(timer);
      this.#schedule.stop();
    }
  }

  /** Where datagrams go; undefined for a stream. */
  async #peer(): Promise<Deno.NetAddr | undefined> {
    const { transport, hostname, port } = this.#target;
    if (transport !== "udp" || this.#aborted) return undefined;
    try {
      return { transport, hostname: await resolve(hostname), port };
    } catch (error) {
      throw cannotConnect(this.#target, error);
    }
  }

  /** One connection that sends all its lines. */
  async #once(pace: Pace, peer: Deno.NetAddr | undefined): Promise<void> {
    const wire = peer ?? await this.#connect();
    if (!wire) return;
    const now = performance.now();
    this.#start(now);
    pace.begin(now);
    await this.#serve(wire, pace);
  }

  /** A connection for each line. */
  async #reconnect(pace: Pace, peer: Deno.NetAddr | undefined): Promise<void> {
    const now = performance.now();
    this.#start(now);
    pace.begin(now);
    for (;;) {
      const due = await this.#turn(pace);
      if (Number.isNaN(due)) return;
      const wire = peer ?? await this.#connect();
      if (wire) {
        const fromSend = this.#schedule.interval === 0;
        await this.#serve(wire, new SingleLine(fromSend ? undefined : due));
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
    to: ProbeWire | Deno.NetAddr,
    source: LineSource,
  ): Promise<void> {
    const number = ++this.#numbers;
    this.#tally.connections++;
    const client = "read" in to
      ? new Client(to, number, source, this.#context)
      : new DatagramClient(to, number, source, this.#context);
    this.#sessions.add(client);
    try {
      await client.run();
    } finally {
      this.#sessions.delete(client);
    }
  }

  /** Undefined if there is none, which has been counted. */
  async #connect(): Promise<ProbeWire | undefined> {
    const attempt = new Attempt(this.#settings.timeout);
    this.#sessions.add(attempt);
    try {
      const wire = await connect(this.#target, this.#settings, attempt.signal);
      this.#tally.connects.record(performance.now() - attempt.since);
      if (!this.#aborted) return wire;
      wire.close();
    } catch (error) {
      this.#countRefusal(error, attempt);
    } finally {
      this.#sessions.delete(attempt);
    }
  }

  #countRefusal(error: unknown, attempt: Attempt): void {
    if (this.#aborted) return;
    const kind = attempt.signal.aborted ? "timeout" : kindOf(error);
    if (!kind) throw cannotConnect(this.#target, error);
    this.#tally.error(
      kind,
      kind === "timeout"
        ? this.#noConnection()
        : refusalOf(this.#target, error),
    );
  }

  #noConnection(): string {
    const step = this.#target.transport === "tls"
      ? "TLS handshake"
      : "connection";
    return `no ${step} within ${this.#settings.timeout} s`;
  }

  /** Time counts from the first connection. */
  #start(now: number): void {
    if (this.#started !== undefined) return;
    this.#started = now;
    this.#rates = new RateSeries(now);
    this.#schedule.start(now);
    const { duration } = this.#settings;
    if (duration === undefined) return;
    this.#deadline = setTimeout(() => this.#schedule.stop(), duration * 1000);
  }

  #stopSending(): void {
    if (this.#over.signal.aborted) return;
    this.#stopped = performance.now();
    this.#over.abort();
    clearTimeout(this.#deadline);
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
    if (this.#started === undefined || this.#over.signal.aborted) return;
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
    const complete = this.#over.signal.aborted;
    const aborted = this.#aborted;
    const about = { target, size, seconds, greeting, complete, aborted };
    return {
      report: reportOf(this.#tally, about),
      tally: this.#tally,
      rates: this.#rates,
      aborted,
    };
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

/** The one line of a connection that was opened for it. */
class SingleLine implements LineSource {
  #due: number | undefined;
  #taken = false;

  /** @param due When its latency begins; undefined when it is sent. */
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

/** An IP address as the runtime writes it. */
async function resolve(hostname: string): Promise<string> {
  if (hostname.includes(":")) {
    return new URL(`http://[${hostname}]`).hostname.slice(1, -1);
  }
  if (/^[0-9.]+$/.test(hostname)) return hostname;
  // Costs start-up, so it is loaded for a name only.
  const { lookup } = await import("node:dns/promises");
  return (await lookup(hostname)).address;
}
