/**
 * What the probe needs of a stream connection.
 *
 * @module
 */

import type { ProbeSettings } from "./options.ts";

/** What a probe needs of a connection; a `Deno.Conn` has it. */
export type ProbeWire = Pick<
  Deno.Conn,
  "read" | "write" | "closeWrite" | "close"
>;

/** What is trusted, besides the roots of the system. */
export type Trust = Pick<ProbeSettings, "caCert" | "fingerprint">;
