/**
 * `Deno.serve` for a process that may run out of descriptors.
 *
 * @module
 */

import { pause } from "../util/async.ts";

/**
 * Milliseconds between two tries to listen again, as long as the echo server
 * waits when it cannot accept.
 */
const RETRY = 100;

/** Answers a request. It must not throw. */
export type RequestHandler = (
  request: Request,
  info: Deno.ServeHandlerInfo<Deno.NetAddr>,
) => Promise<Response>;

/** A server that listens until its signal aborts. */
export interface LastingServer {
  /** Where it listens, with the real port. */
  readonly addr: Deno.NetAddr;
  /** Resolves when it has ended, with all its connections. */
  readonly finished: Promise<void>;
}

/**
 * Serves HTTP until `signal` aborts, which closes all connections at once.
 *
 * Out of descriptors, `Deno.serve` stops listening and rejects, which would end
 * the process. Here it listens again as soon as it can; its connections are
 * closed before, so that their descriptors are free.
 *
 * @throws {Error} What `Deno.serve` throws if it cannot listen at the start.
 */
export function lastingServe(
  { hostname, port }: { hostname: string; port: number },
  handler: RequestHandler,
  signal: AbortSignal,
): LastingServer {
  const begin = (port: number) => {
    const ending = new AbortController();
    const server = Deno.serve({
      hostname,
      port,
      signal: ending.signal,
      onListen: () => {},
      onError: () => new Response(null, { status: 500 }),
    }, handler);
    return { server, end: () => ending.abort() };
  };
  let current = begin(port);
  const { addr } = current.server;

  const beginAgain = async () => {
    while (!signal.aborted) {
      await pause(RETRY, signal);
      try {
        if (!signal.aborted) current = begin(addr.port);
        return;
      } catch {
        // There is still no descriptor.
      }
    }
  };
  const serve = async () => {
    while (!signal.aborted) {
      await current.server.finished.catch(() => {});
      current.end();
      await beginAgain();
    }
  };
  signal.addEventListener("abort", () => current.end());
  return { addr, finished: serve() };
}
