/**
 * What the probe needs of a stream connection.
 *
 * @module
 */

import type { Wire } from "../net/transport.ts";
import type { ProbeSettings } from "./options.ts";

/** A stream connection; every `Deno.Conn` is one as it is. */
export type ProbeWire = Omit<Wire, "remoteAddr">;

/** What is trusted, besides the roots of the system. */
export type Trust = Pick<ProbeSettings, "caCert" | "fingerprint">;
