import {
  type EchoSupervisorOptions,
  type Settings,
  settingsOf,
} from "../options/options.ts";
import { reasonOf } from "../util/text.ts";
import type { EchoServer } from "../server/server.ts";
import { Supervisor } from "../util/supervisor.ts";
import { superviseThreads } from "./worker_pool.ts";
import { untilAborted } from "../util/async.ts";

/**
 * Seconds beyond `shutdownTimeout` that the tree waits for a drain, which ends
 * by itself.
 */
const DRAIN_MARGIN = 2;

/**
 * An echo server that is started again when it fails. Its connections are served
 * on meanwhile, but those of a thread that dies end with it. Each connection is
 * a temporary child, the others are permanent.
 *
 * After more than three restarts within five seconds it gives up: connections
 * are drained, then `finished` rejects. `drain` and `stop` are told once, whatever
 * the number of threads; what a thread that died had served is not in `stop`.
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
  /** The address it listens on, with the real port. */
  readonly addr: Deno.NetAddr;
  /** Resolves when the tree has been shut down; rejects when it gave up. */
  readonly finished: Promise<void>;

  readonly #supervisor: Supervisor;

  private constructor(supervisor: Supervisor, addr: Deno.NetAddr) {
    this.#supervisor = supervisor;
    this.addr = addr;
    this.finished = supervisor.finished;
  }

  /**
   * Starts the tree.
   *
   * @param Server The class of the server: `EchoServer`. Threads have their own.
   * @param options A port, or options. Without it: port 1050 on all IPv4
   * addresses.
   * @returns The tree, listening.
   * @throws {RangeError} If a number is out of its range, or there are more
   * workers than connections.
   * @throws {TypeError} If an option is of the wrong kind, or there is a
   * handler and more than one worker.
   * @throws {Deno.errors.AddrInUse} If the port is taken.
   * @throws {Deno.errors.AddrNotAvailable} If the address is not one of this
   * machine.
   * @throws {Deno.errors.PermissionDenied} If the system does not allow the
   * port.
   * @throws {Deno.errors.NotCapable} If Deno was not given `--allow-net`, or
   * for workers `--allow-read`.
   * @throws {Deno.errors.NotSupported} If the system cannot share a port among
   * workers, or Deno was not given `--unstable-net`.
   * @throws {Error} If there are too few descriptors for so many workers.
   */
  static async start(
    Server: typeof EchoServer,
    options: number | EchoSupervisorOptions = {},
  ): Promise<EchoSupervisor> {
    const settings = settingsOf(options);
    const supervisor = new Supervisor({
      shutdownTimeout: settings.shutdownTimeout + DRAIN_MARGIN,
      onRestart: (id, error) =>
        settings.onEvent({ type: "restart", id, reason: reasonOf(error) }),
    });
    const addr = settings.workers === 1
      ? superviseServer(supervisor, Server, settings)
      : await superviseThreads(supervisor, settings);
    return new EchoSupervisor(supervisor, addr);
  }

  /**
   * Stops listening and drains the connections, as `EchoServer.shutdown()`
   * does. Can be called more than once.
   *
   * @returns Settles when no connection is left.
   */
  async shutdown(): Promise<void> {
    await this.#supervisor.shutdown();
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
function superviseServer(
  supervisor: Supervisor,
  Server: typeof EchoServer,
  settings: Settings,
): Deno.NetAddr {
  let started: EchoServer | undefined = Server.startWith(settings);
  const { addr, connections } = started;
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
      const server = started ??
        Server.startWith({ ...settings, port: addr.port }, { connections });
      started = undefined;
      await Promise.race([server.finished, untilAborted(signal)]);
      server.close();
    },
  });
  return addr;
}
