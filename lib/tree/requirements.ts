/**
 * What worker threads need of the system and of Deno's permissions.
 *
 * @module
 */

import type { Address } from "../net/address.ts";
import { codeOf } from "../net/errors.ts";

/** The module that a worker thread runs. */
export const WORKER_URL = new URL("./worker.ts", import.meta.url);

/** Descriptors that the start of a thread may need. */
const THREAD_DESCRIPTORS = 24;

/** The system's codes for too few descriptors, in the process or in all. */
const OUT_OF_DESCRIPTORS: ReadonlySet<string> = new Set(["EMFILE", "ENFILE"]);

/** The part of `Deno` that opens sockets. */
export type Sockets = Pick<typeof Deno, "listen" | "listenDatagram">;

/** There is too little of something to start a worker now. */
export class ShortageError extends Error {
  /** What the system said. */
  readonly code: string;

  /**
   * @param id The worker.
   * @param what What there is too little of, and which limit it has.
   */
  constructor(id: string, code: string, what: { of: string; limit: string }) {
    super(
      `Cannot start ${id}: out of ${what.of} (${code}), ` +
        `raise ${what.limit} or start fewer workers`,
    );
    this.code = code;
  }
}

/**
 * Makes sure that worker threads can be started, and can share a port.
 *
 * @param url The module that they run.
 * @throws {Deno.errors.NotSupported} If the system cannot share a port among
 * threads, or Deno was not given `--unstable-net`.
 * @throws {Deno.errors.NotCapable} If Deno may not read, or import, the module.
 */
export async function requireWorkers(url = WORKER_URL): Promise<void> {
  if (Deno.build.os !== "linux") {
    throw new Deno.errors.NotSupported(
      "Cannot start workers: only Linux shares a port among threads",
    );
  }
  // Deno ends the process where the permission to share a port is missing. That
  // it is there shows in another API that it brings.
  if (!("listenDatagram" in Deno)) {
    throw new Deno.errors.NotSupported(
      "Cannot start workers: a shared port needs --unstable-net",
    );
  }
  // A compiled executable bears the module within it.
  if (!Deno.build.standalone) await requireModule(url);
}

/** Deno would print a trace of its own if it may not load the module. */
async function requireModule(url: URL): Promise<void> {
  const { protocol, hostname, port } = url;
  const host = `${hostname}:${port || (protocol === "http:" ? 80 : 443)}`;
  const [permission, flag] = protocol === "file:"
    ? [{ name: "read", path: url } as const, "--allow-read"]
    : [{ name: "import", host } as const, `--allow-import=${host}`];
  const { state } = await Deno.permissions.query(permission);
  if (state === "granted") return;
  throw new Deno.errors.NotCapable(
    `Cannot start workers: permission missing, run again with ${flag}`,
  );
}

/**
 * Makes sure that there are descriptors for a thread: Deno ends the process if
 * there are too few while one starts.
 *
 * @param id The worker that needs them.
 * @param address Where the server listens: another address may not be permitted.
 * @param sockets Opens sockets, to see how many can be had.
 * @throws {ShortageError} If there are too few.
 */
export function requireDescriptors(
  id: string,
  { hostname, port }: Pick<Address, "hostname" | "port">,
  sockets: Sockets = Deno,
): void {
  const held: { close(): void }[] = [];
  try {
    while (held.length < THREAD_DESCRIPTORS) {
      held.push(anySocket(hostname, port, sockets));
    }
  } catch (error) {
    // Whatever else it may be, the server will meet it too, and say so.
    const code = codeOf(error);
    if (!OUT_OF_DESCRIPTORS.has(code)) return;
    const what = { of: "descriptors", limit: '"ulimit -n"' };
    throw new ShortageError(id, code, what);
  } finally {
    for (const socket of held) socket.close();
  }
}

/** A socket that disturbs nobody. */
function anySocket(
  hostname: string,
  port: number,
  sockets: Sockets,
): { close(): void } {
  try {
    return sockets.listen({ hostname: "127.0.0.1", port: 0 });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    // Permitted is the server's own port, where it does not serve UDP: for that
    // it would need more permission.
    return sockets.listenDatagram({
      transport: "udp",
      hostname,
      port,
      reuseAddress: true,
    });
  }
}

/**
 * What `error`, of the start of a worker's thread, means.
 *
 * @returns A {@linkcode ShortageError} if no more threads are allowed, or else
 * `error`.
 */
export function threadError(id: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code !== "EAGAIN") return error;
  const limit = '"ulimit -u" (in a container, its limit of processes)';
  return new ShortageError(id, code, { of: "threads", limit });
}
