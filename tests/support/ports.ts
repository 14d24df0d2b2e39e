/**
 * Ports for programs that cannot say which one they got.
 *
 * @module
 */

import { GUARD } from "./program.ts";

/** A port of 127.0.0.1 that was free a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Tries until it succeeds, or it is time to say why it does not. */
export async function until<T>(attempt: () => Promise<T>): Promise<T> {
  const late = performance.now() + GUARD;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > late) throw error;
    }
  }
}
