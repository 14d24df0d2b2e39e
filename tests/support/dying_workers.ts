/**
 * Load it first, and the first worker dies at SIGUSR1.
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

Deno.addSignalListener("SIGUSR1", () => workers.kill(0));
