/**
 * The version of the package.
 *
 * @module
 */

import deno from "../../deno.json" with { type: "json" };

/** As `deno.json` says. */
export const VERSION: string = deno.version;
