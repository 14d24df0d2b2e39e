/**
 * The admin server of a server or a tree: started if one is asked for.
 *
 * @module
 */

import type { AdminSource } from "../admin/source.ts";
import { showAddress } from "../net/address.ts";
import type { Settings } from "../options/options.ts";
import type { Connections } from "./connections.ts";

/** What is told, but for who tells it. */
export type Observed = Omit<AdminSource, "name" | "version">;

/** What is closed after everything else. */
export interface AsyncClosable {
  close(): Promise<void>;
}

/**
 * Starts the admin server if one is asked for, and says where.
 *
 * @throws {Error} If it cannot listen.
 */
export async function startAdmin(
  { admin, name, onEvent }: Settings,
  observed: Observed,
): Promise<AsyncClosable | undefined> {
  if (!admin) return undefined;
  const { AdminServer } = await import("../admin/server.ts");
  const { VERSION } = await import("../util/version.ts");
  const server = await AdminServer.start(admin, {
    name,
    version: VERSION,
    ...observed,
  });
  onEvent({ type: "admin", url: `http://${showAddress(server.addr)}` });
  return server;
}

/** What the connections of one thread tell. */
export function observe(
  connections: Connections,
  restarts: () => number = () => 0,
): Observed {
  return {
    ready: () => connections.ready,
    snapshot: () =>
      Promise.resolve({
        listeners: connections.snapshots(),
        restarts: restarts(),
      }),
    connections: (limit) => Promise.resolve(connections.snapshot(limit)),
  };
}
