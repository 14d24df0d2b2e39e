import { checkFunction, checkNumber, checkWord } from "./check.ts";
import { reasonOf } from "./text.ts";
import { outcome } from "./async.ts";

/**
 * When a child that has ended is started again: `permanent` always, `transient`
 * if it failed, `temporary` never.
 */
export type Restart = "permanent" | "transient" | "temporary";

const RESTARTS: readonly Restart[] = ["permanent", "transient", "temporary"];

/** The longest time, in milliseconds, that a timer can be set to: 24 days. */
const FOREVER = 2 ** 31 - 1;

/** What a {@linkcode Supervisor} runs. */
export interface ChildSpec {
  /** The child's name, which no other child that is alive has. */
  id: string;
  /** When it is started again. */
  restart: Restart;
  /**
   * The child itself: it lives until the promise settles, and should end soon
   * after `signal` aborts. To throw, to reject and to return are ends of the
   * same kind.
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
   * Seconds within which restarts are counted.
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
   * Called when a child has ended and will be started again at once. What it
   * throws nobody can catch, and it ends the process.
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

interface Child {
  readonly spec: ChildSpec;
  /** Settles, and never rejects, when the child has ended for good. */
  ended: Promise<void>;
  /**
   * Its own, so that it can be stopped in its turn; temporary children share
   * the supervisor's.
   */
  readonly abort: AbortController;
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
   * child and bears its failure as `cause`.
   */
  readonly finished: Promise<void>;

  readonly #options: Required<SupervisorOptions>;
  readonly #finish = outcome<void>();
  /** In the order in which they were started. */
  readonly #children = new Map<string, Child>();
  readonly #temporaries = new AbortController();
  #restarts: number[] = [];
  #stopping = false;

  /**
   * Makes a supervisor that has no children yet.
   *
   * @param options How many restarts are too many, and how long to wait for
   * children that are stopped.
   * @throws {RangeError} If `maxRestarts` is no whole number from 0, or a time
   * is no number from 0.
   * @throws {TypeError} If another option is of the wrong kind.
   */
  constructor(options: SupervisorOptions = {}) {
    this.#options = {
      maxRestarts: 3,
      maxSeconds: 5,
      shutdownTimeout: 5,
      onRestart: () => {},
      now: () => performance.now() / 1000,
      ...options,
    };
    const { maxRestarts, maxSeconds, shutdownTimeout } = this.#options;
    checkNumber("maxRestarts", maxRestarts, { min: 0 });
    const seconds = { min: 0, fraction: true };
    checkNumber("maxSeconds", maxSeconds, seconds);
    checkNumber("shutdownTimeout", shutdownTimeout, seconds);
    checkFunction("onRestart", this.#options.onRestart);
    checkFunction("now", this.#options.now);
    this.finished = this.#finish.promise;
  }

  /**
   * Starts a child; `run` is called before this returns.
   *
   * @param spec What to run, under which name, and when to start it again.
   * @throws {Error} If the supervisor has stopped, or a child of that id is
   * alive.
   * @throws {TypeError} If `restart` is none of its words, or `run` no function.
   */
  startChild(spec: ChildSpec): void {
    const { id, restart } = spec;
    checkWord("restart", restart, RESTARTS);
    checkFunction("run", spec.run);
    if (this.#stopping) {
      throw new Error(`Cannot start child "${id}": the supervisor has stopped`);
    }
    if (this.#children.has(id)) {
      throw new Error(
        `Cannot start child "${id}": a child of that id is alive`,
      );
    }
    const abort = restart === "temporary"
      ? this.#temporaries
      : new AbortController();
    const child: Child = { spec, abort, ended: Promise.resolve() };
    this.#children.set(id, child);
    child.ended = this.#supervise(child);
  }

  /** How many children are alive. */
  countChildren(): number {
    return this.#children.size;
  }

  /**
   * Stops every child and waits until they have ended, or until
   * `shutdownTimeout`: temporary children all together and first, then the
   * others one by one, the youngest first. When the time is up the rest are told
   * to end too, but not waited for. Can be called more than once.
   *
   * @returns Settles when that is done, and never rejects.
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

  async #supervise({ spec, abort }: Child): Promise<void> {
    const { id, restart, run } = spec;
    for (;;) {
      let failure: { error: unknown } | undefined;
      try {
        await run(abort.signal);
      } catch (error) {
        failure = { error };
      }
      const again = restart === "permanent" ||
        restart === "transient" && failure !== undefined;
      if (!again || this.#stopping) break;
      const error = failure
        ? failure.error
        : new Error("it ended, and a permanent child must not");
      if (!this.#mayRestart()) {
        this.#giveUp(id, error);
        break;
      }
      this.#options.onRestart(id, error);
    }
    this.#children.delete(id);
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

  async #giveUp(id: string, cause: unknown): Promise<void> {
    const { maxRestarts, maxSeconds } = this.#options;
    const reason = reasonOf(cause);
    const often = `more than ${maxRestarts} restarts within ${maxSeconds} s`;
    this.#children.delete(id);
    await this.#stop();
    this.#finish.reject(
      new Error(
        `Supervisor gave up: ${often}, the last of child "${id}": ${reason}`,
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
    const { promise: timedOut, resolve } = Promise.withResolvers<void>();
    const { shutdownTimeout } = this.#options;
    const timer = setTimeout(
      resolve,
      Math.min(shutdownTimeout * 1000, FOREVER),
    );
    const children = [...this.#children.values()];
    const temporary = children.filter(({ spec }) =>
      spec.restart === "temporary"
    );
    const others = children.filter(({ spec }) => spec.restart !== "temporary")
      .reverse();
    this.#temporaries.abort();
    await Promise.race([
      timedOut,
      Promise.all(temporary.map(({ ended }) => ended)),
    ]);
    for (const { abort, ended } of others) {
      abort.abort();
      await Promise.race([timedOut, ended]);
    }
    clearTimeout(timer);
  }
}
