/**
 * A program with an admin server that takes all descriptors that are left, and
 * gives them back on SIGUSR2.
 *
 * @module
 */

import { AdminServer } from "../../lib/admin/server.ts";
import { FakeAdminSource } from "./fake_admin_source.ts";

const settings = { host: "127.0.0.1", port: 0 };
const server = await AdminServer.start(settings, new FakeAdminSource());

const taken: Deno.FsFile[] = [];
Deno.addSignalListener("SIGUSR2", () => {
  for (const file of taken.splice(0)) file.close();
  console.error("free again");
});
try {
  for (;;) taken.push(Deno.openSync("/dev/null"));
} catch {
  console.error(`none left, listening on ${server.addr.port}`);
}
