/**
 * A flood of a server, from a thread of its own.
 *
 * @module
 */

import { guard } from "./program.ts";
import type { Flood } from "./flooders.ts";

/**
 * Floods a server with as many clients as are wanted until it is disposed of;
 * settles once something has come back to each of them.
 */
export async function flood(options: Flood): Promise<Disposable> {
  const url = import.meta.resolve("./flooders.ts");
  const worker = new Worker(url, { type: "module" });
  const late = guard("a flood");
  try {
    const flooding = new Promise((resolve) => worker.onmessage = resolve);
    worker.postMessage(options);
    await Promise.race([flooding, late.promise]);
  } finally {
    late.clear();
  }
  return { [Symbol.dispose]: () => worker.terminate() };
}
