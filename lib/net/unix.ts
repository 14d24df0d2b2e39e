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
 * @throws {Deno.errors.AlreadyExists} If the path is that of another kind of
 * file.
 * @throws {Error} What `Deno.listen` throws, of the same class; the message
 * names the socket, the cause and the cure.
 */
export async function listenUnix(path: string): Promise<Listener> {
  try {
    return await listenOrReplace(path);
  } catch (error) {
    throw bindError(error, `unix:${path}`, 0, causeOf(error, path));
  }
}

async function listenOrReplace(path: string): Promise<Listener> {
  const address = { transport: "unix" as const, path: systemPath(path) };
  try {
    return Deno.listen(address);
  } catch (error) {
    const taken = error instanceof Deno.errors.AddrInUse;
    if (!taken || path.startsWith("@")) throw error;
    if (!(await Deno.lstat(path)).isSocket) {
      throw new Deno.errors.AlreadyExists("there is a file that is no socket");
    }
    if (await isServed(path)) throw error;
    await Deno.remove(path);
    return Deno.listen(address);
  }
}

/** An abstract name begins with NUL for the system. */
function systemPath(path: string): string {
  return path.startsWith("@") ? `\0${path.slice(1)}` : path;
}

/** Whether somebody listens there. */
async function isServed(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.ConnectionRefused);
  }
}

/** The causes that differ from those with ports. */
function causeOf(error: unknown, path: string): string | undefined {
  if (error instanceof Deno.errors.AddrInUse) {
    return "the socket is already in use";
  }
  if (error instanceof Deno.errors.NotFound) {
    return "there is no such directory";
  }
  if (!(error instanceof Deno.errors.NotCapable)) return undefined;
  const flags = path.startsWith("@")
    ? "--allow-net"
    : "--allow-net --allow-read --allow-write";
  return `permission missing, run again with ${flags}`;
}
