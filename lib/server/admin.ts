/**
 * What the admin server is told of a server.
 *
 * @module
 */

import type { AdminSource, ConnectionInfo } from "../admin/server.ts";
import { showAddress } from "../net/address.ts";
import type { Settings } from "../options/options.ts";
import type { Connections } from "./connections.ts";

/**
 * Starts the admin server if one is asked for, and says where.
 *
 * @throws {Error} If it cannot listen.
 */
export async function startAdmin(
  { admin, onEvent }: Settings,
  source: () => AdminSource,
): Promise<{ close(): Promise<void> } | undefined> {
  if (!admin) return undefined;
  const { AdminServer } = await import("../admin/server.ts");
  const server = await AdminServer.start(admin, source());
  onEvent({ type: "admin", url: `http://${showAddress(server.addr)}` });
  return server;
}
