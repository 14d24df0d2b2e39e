/**
 * Load it first, and the first worker dies at SIGUSR2.
 *
 * @module
 */

import { MortalWorkers } from "./mortal_workers.ts";

const workers = new MortalWorkers();

class StartedWorker {
  constructor() {
    return workers.startThread();
  }
}

Reflect.set(globalThis, "Worker", StartedWorker);

Deno.addSignalListener("SIGUSR2", () => workers.kill(0));
