/**
 * Runs children and restarts those that end when they should not; knows nothing
 * of servers.
 *
 * @module
 */

import { deferred, eventLoopTurn, pause } from "./async.ts";
import {
  checkFunction,
  checkNumber,
  checkObject,
  checkWord,
  show,
} from "./check.ts";
import { reasonOf } from "./text.ts";

/**
 * When a child that has ended is started again: `permanent` always, `transient`
 * if it failed, `temporary` never.
 */
export type Restart = "permanent" | "transient" | "temporary";

const RESTARTS: readonly Restart[] = ["permanent", "transient", "temporary"];

/** The longest time, in milliseconds, that a timer can be set to: 24 days. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * Restarts within one turn of the event loop: a child that ends as soon as it
 * starts must not keep everything else from running.
 */
const RESTARTS_PER_TURN = 8;

/** What a {@linkcode Supervisor} runs. */
export interface ChildSpec {
  /**
   * The child's name, unique among those that are alive. Only a temporary child
   * can do without one.
   */
  id?: string;
  /** When it is started again. */
  restart: Restart;
  /**
   * The child itself: it lives until the promise settles, and should end soon
   * after `signal` aborts. Throwing is the same as rejecting.
   */
  run: (signal: AbortSignal) => Promise<void>;
}

/** Options of {@linkcode Supervisor}; the defaults are Elixir's. */
export interface SupervisorOptions {
  /**
   * Restarts of all children within `maxSeconds` after which one more makes
   * the supervisor give up.
   *
   * @default {3}
   */
  maxRestarts?: number;
  /**
   * Seconds within which restarts are counted, more than 0.
   *
   * @default {5}
   */
  maxSeconds?: number;
  /**
   * Seconds that children get to end, all together, once the supervisor stops.
   *
   * @default {5}
   */
  shutdownTimeout?: number;
  /**
   * Called when a child has ended and will be started again at once. If it throws,
   * that is an unhandled rejection, which ends the process.
   *
   * @default {() => undefined}
   */
  onRestart?: (id: string, error: unknown) => void;
  /**
   * The clock that restarts are counted by, in seconds.
   *
   * @default {() => performance.now() / 1000}
   */
  now?: () => number;
}

/** A child that may be started again. */
interface Child {
  readonly id: string;
  readonly spec: ChildSpec;
  /** Its own, so that it can be stopped in its turn. */
  readonly abort: AbortController;
  /** Resolves when the child has ended for good. */
  readonly ended: PromiseWithResolvers<void>;
}

/**
 * Runs children, and starts those again that end when they should not: Elixir's
 * `Supervisor` with the strategy `:one_for_one`. A child's end touches no other
 * child, and a child that is not started again leaves nothing behind.
 *
 * @example A child that fails once
 * ```ts
 * import { Supervisor } from "@echoserver/echoserver";
 * import assert from "node:assert/strict";
 *
 * const supervisor = new Supervisor({ maxRestarts: 3, maxSeconds: 5 });
 * const done = Promise.withResolvers<void>();
 * let runs = 0;
 * supervisor.startChild({
 *   id: "flaky",
 *   restart: "transient",
 *   run: async () => {
 *     if (++runs === 1) throw new Error("the first time it fails");
 *     done.resolve();
 *   },
 * });
 * await done.promise;
 * await supervisor.shutdown();
 * assert.equal(runs, 2);
 * ```
 */
export class Supervisor {
  /**
   * Settles when the supervisor has stopped: resolves after {@linkcode
   * Supervisor.shutdown}, rejects when it gave up, with an error that names the
   * child and has its failure as `cause`.
   */
  readonly finished: Promise<void>;

  readonly #options: Required<SupervisorOptions>;
  readonly #finish = deferred<void>();
  /** The names of all children that are alive and have one. */
  readonly #ids = new Set<string>();
  /** Those that may be started again, in the order of their first start. */
  readonly #children = new Set<Child>();
  /**
   * There can be a million temporary children: they share a signal, and nothing
   * is kept of one but that it is counted.
   */
  readonly #temporaries = new AbortController();
  #temporaryCount = 0;
  #temporariesEnded: PromiseWithResolvers<void> | undefined;
  #restarts: number[] = [];
  #restartsThisTurn = 0;
  #stopping = false;

  /**
   * Makes a supervisor that has no children yet.
   *
   * @param options How many restarts are too many, and how long to wait for
   * children that are stopped.
   * @throws {RangeError} If `maxRestarts` is not a whole number from 0,
   * `maxSeconds` not a number above 0, or `shutdownTimeout` not a number from 0.
   * @throws {TypeError} If another option is of the wrong kind.
   */
  constructor(options: SupervisorOptions = {}) {
    const {
      maxRestarts = 3,
      maxSeconds = 5,
      shutdownTimeout = 5,
      onRestart = () => {},
      now = () => performance.now() / 1000,
    } = checkObject("options", options);
    checkNumber("maxRestarts", maxRestarts, { min: 0 });
    checkNumber("shutdownTimeout", shutdownTimeout, { min: 0, fraction: true });
    checkPositive("maxSeconds", maxSeconds);
    checkFunction("onRestart", onRestart);
    checkFunction("now", now);
    this.#options = {
      maxRestarts,
      maxSeconds,
      shutdownTimeout,
      onRestart,
      now,
    };
    this.finished = this.#finish.promise;
  }

  /**
   * Starts a child; `run` is called, as a method of `spec`, before this returns.
   *
   * @param spec What to run, under which name, and when to start it again.
   * @throws {Error} If the supervisor has stopped, or a child of that id is
   * alive.
   * @throws {TypeError} If `restart` is not one of the allowed strings, `run` is
   * not a function, or a child that is not temporary has no id.
   */
  startChild(spec: ChildSpec): void {
    const { id, restart } = checkObject("spec", spec);
    checkWord("restart", restart, RESTARTS);
    checkFunction("run", spec.run);
    const name = id === undefined ? "a child" : `child "${id}"`;
    if (this.#stopping) {
      throw new Error(`Cannot start ${name}: the supervisor has stopped`);
    }
    if (id !== undefined) {
      if (this.#ids.has(id)) {
        throw new Error(`Cannot start ${name}: a child of that id is alive`);
      }
      this.#ids.add(id);
    }
    if (restart === "temporary") this.#runOnce(spec);
    else if (id === undefined) {
      throw new TypeError(`id must be given to a ${restart} child`);
    } else this.#supervise(id, spec);
  }

  /** How many children are alive. */
  countChildren(): number {
    return this.#children.size + this.#temporaryCount;
  }

  /**
   * Stops every child and waits until they have ended, or until
   * `shutdownTimeout`: temporary children first and all together, then the others
   * one by one, the youngest first. When the time is up, the rest are told to end
   * too, but not waited for. Can be called more than once.
   *
   * @returns Resolves when that is done; never rejects.
   */
  async shutdown(): Promise<void> {
    if (!this.#stopping) {
      await this.#stop();
      this.#finish.resolve();
    }
    await this.finished.catch(() => {});
  }

  /** Shuts down, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  /** Runs a temporary child. */
  #runOnce(spec: ChildSpec): void {
    const { id } = spec;
    const end = id === undefined ? this.#countEnd : () => {
      this.#ids.delete(id);
      this.#countEnd();
    };
    // Before `run`, which may stop the supervisor.
    this.#temporaryCount++;
    let run: Promise<void>;
    try {
      run = Promise.resolve(spec.run(this.#temporaries.signal));
    } catch {
      run = Promise.resolve();
    }
    run.then(end, end);
  }

  /** Shared by all: a closure for each would make up a tenth of a child's cost. */
  readonly #countEnd = (): void => {
    if (--this.#temporaryCount === 0) this.#temporariesEnded?.resolve();
  };

  /** Runs a child as often as its kind of restart demands. */
  async #supervise(id: string, spec: ChildSpec): Promise<void> {
    const { restart } = spec;
    const child: Child = {
      id,
      spec,
      abort: new AbortController(),
      ended: Promise.withResolvers(),
    };
    this.#children.add(child);
    for (;;) {
      let failure: { error: unknown } | undefined;
      try {
        await spec.run(child.abort.signal);
      } catch (error) {
        failure = { error };
      }
      const again = restart === "permanent" || failure !== undefined;
      if (!again || this.#stopping) break;
      const error = failure
        ? failure.error
        : new Error("it ended, and a permanent child must not");
      if (!this.#mayRestart()) {
        this.#giveUp(child, error);
        break;
      }
      this.#options.onRestart(id, error);
      if (this.#isTurnSpent()) await eventLoopTurn();
      if (this.#stopping) break;
    }
    this.#remove(child);
  }

  #remove(child: Child): void {
    this.#children.delete(child);
    this.#ids.delete(child.id);
    child.ended.resolve();
  }

  /** Counts a restart; whether there were too many in this event-loop turn. */
  #isTurnSpent(): boolean {
    if (this.#restartsThisTurn === 0) {
      setImmediate(() => this.#restartsThisTurn = 0);
    }
    return ++this.#restartsThisTurn > RESTARTS_PER_TURN;
  }

  /** Counts a restart; Elixir counts those of exactly `maxSeconds` ago too. */
  #mayRestart(): boolean {
    const { maxRestarts, maxSeconds, now } = this.#options;
    const time = now();
    this.#restarts.push(time);
    this.#restarts = this.#restarts.filter((earlier) =>
      time - earlier <= maxSeconds
    );
    return this.#restarts.length <= maxRestarts;
  }

  async #giveUp(child: Child, cause: unknown): Promise<void> {
    const { maxRestarts, maxSeconds } = this.#options;
    const reason = reasonOf(cause);
    const often = `more than ${maxRestarts} restarts within ${maxSeconds} s`;
    this.#remove(child);
    await this.#stop();
    this.#finish.reject(
      new Error(
        `Supervisor gave up: ${often}, the last of child "${child.id}": ${reason}`,
        { cause },
      ),
    );
  }

  /**
   * Aborts children in their turn and waits for each, but for all of them no
   * longer than the time-out.
   */
  async #stop(): Promise<void> {
    this.#stopping = true;
    const { shutdownTimeout } = this.#options;
    const stopped = new AbortController();
    const timedOut = pause(
      Math.min(shutdownTimeout * 1000, LONGEST_TIMER),
      stopped.signal,
    );
    this.#temporaries.abort();
    if (this.#temporaryCount > 0) {
      this.#temporariesEnded = Promise.withResolvers();
      await Promise.race([timedOut, this.#temporariesEnded.promise]);
    }
    for (const { abort, ended } of [...this.#children].reverse()) {
      abort.abort();
      await Promise.race([timedOut, ended.promise]);
    }
    stopped.abort();
  }
}

function checkPositive(name: string, value: unknown): void {
  if (typeof value === "number" && value > 0) return;
  throw new RangeError(
    `${name} must be a number above 0, not ${show(value)}`,
  );
}
