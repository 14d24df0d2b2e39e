import type { Range } from "../util/check.ts";

/** Range and default of a number. */
export interface Limit extends Range {
  readonly max: number;
  readonly default: number;
}

/** Every number that can be set, for the API and the command line alike. */
export const LIMITS = {
  port: { min: 0, max: 65_535, default: 1050 },
  maxLineLength: { min: 1, max: 16_777_216, default: 65_536 },
  maxConnections: { min: 1, max: 1_000_000, default: 10_000 },
  idleTimeout: { min: 0, max: 86_400, default: 300, fraction: true },
  shutdownTimeout: { min: 0, max: 86_400, default: 15, fraction: true },
  backlog: { min: 1, max: 65_535, default: 4096 },
  workers: { min: 1, max: 256, default: 1 },
} satisfies Record<string, Limit>;

/** Name of a number that can be set. */
export type LimitName = keyof typeof LIMITS;
