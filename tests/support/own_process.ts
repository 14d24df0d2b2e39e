/**
 * What the process of the tests itself uses.
 *
 * @module
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { text } from "./client.ts";

/** How many descriptors it has open, on Linux. */
export async function descriptors(): Promise<number> {
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `ls /proc/${Deno.pid}/fd | wc -l`],
  }).output();
  return Number(text(stdout));
}

/** Collects garbage at once, which nothing else makes sure of. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}
