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
  const isFile = !path.startsWith("@");
  const address = { transport: "unix" as const, path: systemPath(path) };
  try {
    try {
      return Deno.listen(address);
    } catch (error) {
      const taken = error instanceof Deno.errors.AddrInUse;
      if (!taken || !isFile) throw error;
      if (!(await Deno.lstat(path)).isSocket) {
        throw new Deno.errors.AlreadyExists(
          "there is a file that is no socket",
        );
      }
      if (await isServed(path)) throw error;
      await Deno.remove(path);
      return Deno.listen(address);
    }
  } catch (error) {
    throw explained(error, path);
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

function explained(error: unknown, path: string): unknown {
  const address = `unix:${path}`;
  if (error instanceof Deno.errors.AddrInUse) {
    error.message = `Cannot listen on ${address}: the socket is already in use`;
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
