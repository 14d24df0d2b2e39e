/**
 * What a tree supervises: one server, or workers.
 *
 * @module
 */

import type { Address } from "../net/address.ts";
import type { AsyncClosable, Observed } from "../server/admin.ts";

/** A server, or workers, as the tree sees them. */
export interface Branch {
  /** The addresses of all listeners. */
  readonly addrs: readonly Address[];
  /** What it tells of itself. */
  readonly observed: Observed;
  /** What is closed after the last connection. */
  readonly admin: AsyncClosable | undefined;
}
