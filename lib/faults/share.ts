/**
 * Which connections and datagrams get the faults.
 *
 * @module
 */

import { fraction } from "../util/random.ts";

/**
 * Whether the faults of a listener are for this one.
 *
 * @param seed The listener's seed.
 * @param number The number of the connection, or of the datagram.
 * @param share How many of them get the faults, from 0 to 1.
 */
export function isAffected(
  seed: number,
  number: number,
  share: number,
): boolean {
  return fraction("share", seed, number) < share;
}
