/**
 * Datagrams that are lost.
 *
 * @module
 */

import { fraction } from "../util/random.ts";

/**
 * Whether a datagram is lost.
 *
 * @param seed The listener's seed.
 * @param datagram The datagram's number.
 * @param loss How many are lost, from 0 to 1.
 */
export function isLost(seed: number, datagram: number, loss: number): boolean {
  return fraction("loss", seed, datagram) < loss;
}
