/**
 * Ports for programs that cannot say which one they got, and places where
 * nobody is.
 *
 * @module
 */

/**
 * A name that means no address, and that no resolver is asked for, which may
 * take long: each part of a name has 63 characters at most.
 */
export const NO_NAME = `no.${"x".repeat(64)}.invalid`;

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** An address of 127.0.0.1 on which nobody listens. */
export function nobody(): string {
  return `127.0.0.1:${freePort()}`;
}
