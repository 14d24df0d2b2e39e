/**
 * Unix listeners: sockets in the file system and Linux's abstract names.
 *
 * @module
 */

import { bindError } from "./bind_error.ts";
import type { Listener } from "./transport.ts";

/**
 * Listens on a Unix socket. A socket file that a dead server has left behind is
 * replaced.
 *
 * @param path A path, or `@` and an abstract name.
 * @throws {Error} What `Deno.listen` throws, of the same class; the message
 * names the socket, the cause and the cure.
 */
export async function listenUnix(path: string): Promise<Listener> {
  const isFile = !path.startsWith("@");
  const address = { transport: "unix" as const, path: systemPath(path) };
  let holder: Holder = "server";
  try {
    try {
      return Deno.listen(address);
    } catch (error) {
      const taken = error instanceof Deno.errors.AddrInUse;
      if (taken && isFile) holder = await holderOf(path);
      if (!taken || holder !== "nobody") throw error;
      await Deno.remove(path);
      return Deno.listen(address);
    }
  } catch (error) {
    throw explained(error, path, holder);
  }
}

/** What has a path that is taken: `nobody` is the socket of a dead server. */
type Holder = "nobody" | "server" | "file";

/** An abstract name begins with NUL for the system. */
function systemPath(path: string): string {
  return path.startsWith("@") ? `\0${path.slice(1)}` : path;
}

async function holderOf(path: string): Promise<Holder> {
  if (!(await Deno.lstat(path)).isSocket) return "file";
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return "server";
  } catch (error) {
    const refused = error instanceof Deno.errors.ConnectionRefused;
    return refused ? "nobody" : "server";
  }
}

function explained(error: unknown, path: string, holder: Holder): unknown {
  const address = `unix:${path}`;
  if (error instanceof Deno.errors.AddrInUse) {
    const cause = holder === "file"
      ? "a file that is not a socket is there"
      : "the socket is already in use";
    error.message = `Cannot listen on ${address}: ${cause}`;
    return error;
  }
  if (error instanceof Deno.errors.NotCapable) {
    const flags = path.startsWith("@")
      ? "--allow-net"
      : "--allow-net --allow-read --allow-write";
    error.message =
      `Cannot listen on ${address}: permission missing, run again with ${flags}`;
    return error;
  }
  if (error instanceof Deno.errors.NotFound) {
    error.message = `Cannot listen on ${address}: there is no such directory`;
    return error;
  }
  return bindError(error, address);
}
