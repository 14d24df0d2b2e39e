/**
 * The tree: a server and its connections in one thread, or several threads.
 *
 * @module
 */

import type { Address } from "../net/address.ts";
import {
  type EchoSupervisorOptions,
  resolve,
  type Settings,
} from "../options/options.ts";
import { observe, startAdmin } from "../server/admin.ts";
import { Connections } from "../server/connections.ts";
import { prepare } from "../server/prepare.ts";
import type { EchoServer } from "../server/server.ts";
import { totalsOf } from "../telemetry/snapshot.ts";
import { untilAborted, untilSettledOrAborted } from "../util/async.ts";
import { show } from "../util/check.ts";
import { Supervisor } from "../util/supervisor.ts";
import { reasonOf } from "../util/text.ts";
import type { Branch } from "./branch.ts";
import type { WorkerPlatform } from "./worker_pool.ts";

/**
 * Seconds beyond `shutdownTimeout` that the tree waits for a drain, which ends
 * by itself.
 */
const DRAIN_MARGIN = 2;

/**
 * An echo server that is started again when it fails. Its connections are served
 * on meanwhile, but those of a worker that dies end with it. Each connection is
 * a temporary child, the others are permanent.
 *
 * After more than three restarts within five seconds it gives up: connections
 * are drained, then `finished` rejects. The events `drain` and `stop` come once,
 * whatever the number of workers.
 *
 * ```text
 *   one thread                      workers: 2
 *
 *   EchoSupervisor                  EchoSupervisor
 *   ├── connections                 ├── worker 1
 *   │   ├── connection 1            │   └── a thread: EchoServer
 *   │   ├── connection 2            │       and its connections
 *   │   └── …                       └── worker 2
 *   └── server                          └── a thread: EchoServer
 *       └── the accept loop                 and its connections
 * ```
 *
 * @example As in the tutorial
 * ```ts
 * import { EchoServer, EchoSupervisor } from "@echoserver/echoserver";
 *
 * await using tree = await EchoSupervisor.start(EchoServer, 2030);
 * ```
 */
export class EchoSupervisor {
  /** The address of the first listener, with the real port. */
  readonly addr: Address;
  /** The addresses of all listeners, as `EchoServer` has them. */
  readonly addrs: readonly Address[];
  /** Resolves when the tree has been shut down; rejects when it gave up. */
  readonly finished: Promise<void>;

  readonly #supervisor: Supervisor;
  readonly #settings: Settings;
  readonly #branch: Branch;
  readonly #since = new Date();

  private constructor(
    supervisor: Supervisor,
    settings: Settings,
    branch: Branch,
  ) {
    this.#supervisor = supervisor;
    this.#settings = settings;
    this.#branch = branch;
    this.addrs = branch.addrs;
    this.addr = branch.addrs[0]!;
    this.finished = supervisor.finished.finally(() => branch.admin?.close());
    // That nobody awaits it must not end the process.
    this.finished.catch(() => {});
  }

  /**
   * Starts the tree.
   *
   * @param Server The class of the server: `EchoServer`.
   * @param options A port, or options. Without it: port 1050 on all IPv4
   * addresses.
   * @returns The tree, listening.
   * @throws {RangeError} If a numeric option is not a number in its range, or
   * there are more workers than connections.
   * @throws {TypeError} If another option is wrong, or there is a handler and more
   * than one worker.
   * @throws {Deno.errors.NotCapable} If Deno may not load the code of workers: that
   * takes `--allow-read` or, if this module came over HTTP, `--allow-import`.
   * @throws {Deno.errors.NotSupported} If the system cannot share a port among
   * workers, or Deno was not given `--unstable-net` (or `"unstable": ["net"]` in
   * `deno.json`).
   * @throws {Error} If there are too few descriptors or threads for so many
   * workers; and whatever `EchoServer.start()` throws.
   */
  // deno-lint-ignore require-await -- errors reject, they are not thrown
  static async start(
    Server: typeof EchoServer,
    options: number | EchoSupervisorOptions = {},
  ): Promise<EchoSupervisor> {
    if (typeof Server?.startWith !== "function") {
      throw new TypeError(
        `Server must be the class EchoServer, not ${show(Server)}`,
      );
    }
    return EchoSupervisor.startWith(Server, resolve(options));
  }

  /**
   * Starts the tree with settings that are checked.
   *
   * @param signal Ends the start when it aborts, with its reason. A start takes
   * time with many workers. Later it means nothing.
   * @param platform What takes the place of the platform's own.
   * @ignore
   */
  static async startWith(
    Server: typeof EchoServer,
    settings: Settings,
    signal: AbortSignal = new AbortController().signal,
    platform: Partial<WorkerPlatform> = {},
  ): Promise<EchoSupervisor> {
    signal.throwIfAborted();
    const prepared = await prepare(settings);
    const { onEvent, shutdownTimeout } = prepared;
    let restarts = 0;
    const supervisor = new Supervisor({
      shutdownTimeout: shutdownTimeout + DRAIN_MARGIN,
      onRestart: (id, error) => {
        restarts++;
        onEvent({ type: "restart", id, reason: reasonOf(error) });
      },
    });
    const branch = prepared.workers === 1
      ? await superviseServer(supervisor, Server, prepared, () => restarts)
      : await (await import("./worker_pool.ts")).superviseWorkers(
        supervisor,
        prepared,
        { restarts: () => restarts, signal, platform },
      );
    return new EchoSupervisor(supervisor, prepared, branch);
  }

  /**
   * Tells an event of the state: what is open, and what has been served.
   *
   * @ignore
   */
  async tellState(): Promise<void> {
    const { observed } = this.#branch;
    const { listeners } = await observed.snapshot();
    this.#settings.onEvent({
      type: "state",
      ready: observed.ready(),
      open: listeners.reduce((sum, { open }) => sum + open, 0),
      since: this.#since.toISOString(),
      ...totalsOf(listeners),
    });
  }

  /**
   * Stops listening and drains the connections, as `EchoServer.shutdown()`
   * does. Can be called more than once.
   *
   * @returns Resolves when no connection is left.
   */
  async shutdown(): Promise<void> {
    await this.#supervisor.shutdown();
    await this.#branch.admin?.close();
  }

  /** Shuts down, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

/**
 * The tree of one thread. Children stop in reverse: the server stops listening,
 * then the connections drain.
 */
async function superviseServer(
  supervisor: Supervisor,
  Server: typeof EchoServer,
  settings: Settings,
  restarts: () => number,
): Promise<Branch> {
  const connections = new Connections(settings);
  const observed = observe(connections, restarts);
  const admin = await startAdmin(settings, observed);
  const first = await Server.startWith(settings, { connections })
    .catch(async (error) => {
      await admin?.close();
      throw error;
    });
  supervisor.startChild({
    id: "connections",
    restart: "permanent",
    run: async (signal) => {
      await untilAborted(signal);
      await connections.drain();
    },
  });
  supervisor.startChild({
    id: "server",
    restart: "permanent",
    run: async (signal) => {
      // A server that has been closed is followed by another at its addresses.
      const server = first.closed
        ? await Server.startWith(first.settings, { connections })
        : first;
      await untilSettledOrAborted(server.finished, signal);
      await server.close();
    },
  });
  return { addrs: first.addrs, observed, admin };
}
