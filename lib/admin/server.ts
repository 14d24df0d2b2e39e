/**
 * The server seen from outside: health, metrics and a live page over HTTP, all
 * of it read-only.
 *
 * @module
 */

import { showAddress } from "../net/address.ts";
import { bindError } from "../net/bind_error.ts";
import { untilSettledOrLate } from "../util/async.ts";
import { EventFeed } from "./event_feed.ts";
import { lastingServe, type LastingServer } from "./lasting_serve.ts";
import { contentSecurityPolicy } from "./page.ts";
import {
  type Answer,
  BAD_REQUEST,
  FAILED,
  HEALTH,
  NOT_ALLOWED,
  NOT_FOUND,
  type Route,
  routesOf,
  UNAVAILABLE,
} from "./routes.ts";
import type { AdminSource } from "./source.ts";
import { Updates } from "./updates.ts";

export type { AdminSnapshot, AdminSource } from "./source.ts";

/** Requests and event streams that may be open at a time. */
const MAX_OPEN = 64;

/** Milliseconds that open requests have to end when the server closes. */
const CLOSE_TIMEOUT = 100;

/** Serves what is known of an echo server over HTTP. */
export class AdminServer {
  /** Where it listens, with the real port. */
  readonly addr: Deno.NetAddr;

  readonly #feed: EventFeed;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #headers: Record<string, string>;
  readonly #server: LastingServer;
  readonly #open = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  #closing = false;

  private constructor(
    { host, port }: { host: string; port: number },
    source: AdminSource,
    policy: string,
  ) {
    const updates = new Updates(source);
    this.#feed = new EventFeed(() => updates.next());
    this.#routes = routesOf(source, this.#feed);
    this.#headers = {
      "Cache-Control": "no-store",
      "Content-Security-Policy": policy,
      "Cross-Origin-Resource-Policy": "same-origin",
      "Referrer-Policy": "no-referrer",
      "X-Content-Type-Options": "nosniff",
    };
    this.#server = lastingServe(
      { hostname: host, port },
      (request, info) => this.#respond(request, info),
      this.#ending.signal,
    );
    this.addr = this.#server.addr;
  }

  /**
   * Starts it.
   *
   * @param settings Where to listen; port 0 picks a free one.
   * @param source What it tells of.
   * @returns The server, listening.
   * @throws {Deno.errors.AddrInUse} If the port is taken.
   * @throws {Deno.errors.AddrNotAvailable} If the address is not one of this
   * machine.
   * @throws {Deno.errors.PermissionDenied} If the system does not allow the
   * port.
   * @throws {Deno.errors.NotCapable} If Deno was not given `--allow-net`.
   * @throws {Error} If the host's name means no address, or the system fails.
   */
  static async start(
    settings: { host: string; port: number },
    source: AdminSource,
  ): Promise<AdminServer> {
    const policy = await contentSecurityPolicy();
    try {
      return new AdminServer(settings, source, policy);
    } catch (error) {
      const { host, port } = settings;
      const address = showAddress({ hostname: host, port });
      throw bindError(error, `${address} (admin)`, port);
    }
  }

  /**
   * Ends event streams, gives other requests a moment, and closes all
   * connections. Can be called more than once.
   */
  async close(): Promise<void> {
    this.#closing = true;
    this.#feed.close();
    await untilSettledOrLate(Promise.all(this.#open), CLOSE_TIMEOUT);
    this.#ending.abort();
    await this.#server.finished;
  }

  /** Closes it, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #respond(
    { method, url }: Request,
    { completed }: Deno.ServeHandlerInfo,
  ): Promise<Response> {
    const { status = 200, type, headers, body } = await this.#answer(
      method,
      URL.parse(url)?.pathname,
      completed,
    );
    const content = typeof body === "string"
      ? body
      : method === "HEAD"
      ? null
      : body();
    return new Response(content, {
      status,
      headers: {
        "Content-Type": type ?? "text/plain; charset=utf-8",
        ...this.#headers,
        ...headers,
      },
    });
  }

  async #answer(
    method: string,
    path: string | undefined,
    completed: Promise<void>,
  ): Promise<Answer> {
    if (method !== "GET" && method !== "HEAD") return NOT_ALLOWED;
    if (path === undefined) return BAD_REQUEST;
    const route = this.#routes.get(path);
    if (!route) return NOT_FOUND;
    if (!HEALTH.has(path) && !this.#enter(completed)) return UNAVAILABLE;
    try {
      return await route();
    } catch {
      return FAILED;
    }
  }

  /** Takes a place among the open requests, if there is one. */
  #enter(completed: Promise<void>): boolean {
    if (this.#closing || this.#open.size >= MAX_OPEN) return false;
    const open: Promise<void> = completed.catch(() => {})
      .then(() => void this.#open.delete(open));
    this.#open.add(open);
    return true;
  }
}
