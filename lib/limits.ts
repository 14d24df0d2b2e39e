/** Range and default of a number. */
export interface Limit {
  readonly min: number;
  readonly max: number;
  readonly default: number;
  /** Whether fractions make sense. */
  readonly fraction?: boolean;
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

/**
 * Gives `value` back if it is within the limits of `name`.
 *
 * @throws {RangeError} If it is not.
 */
export function checkNumber(name: LimitName, value: unknown): number {
  const { min, max, fraction }: Limit = LIMITS[name];
  const number = typeof value === "number" && value >= min && value <= max &&
    (fraction || Number.isInteger(value));
  if (number) return value;
  throw new RangeError(
    `${name} must be a ${
      fraction ? "" : "whole "
    }number from ${min} to ${max}, not ${Deno.inspect(value)}`,
  );
}
