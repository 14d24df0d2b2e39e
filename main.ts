/**
 * The command `echoserver`.
 *
 * @module
 */

import type { Signals } from "./lib/cli/signals.ts";

/** The signals that ask for a shutdown, and their numbers. */
const SHUTDOWN: Record<string, number> = Deno.build.os === "windows"
  ? { SIGINT: 2, SIGBREAK: 21 }
  : { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

/**
 * Milliseconds within which another signal is the same request: wrappers and
 * terminals often send two.
 */
const SAME_REQUEST = 500;

/** When the first signal came, in milliseconds. */
let firstSignal = Infinity;

// Before anything else is loaded: a signal that nobody listens to is lost in
// process 1 of a container, and ends any other process.
const signals = listenToSignals();
const { run } = await import("./lib/cli/run.ts");
Deno.exit(await run(Deno.args, signals));

/** Listens to signals. */
function listenToSignals(): Signals {
  const shutdown = new AbortController();
  const requests = new EventTarget();
  const request = (type: "hangup" | "state") => () =>
    requests.dispatchEvent(new Event(type));
  for (const [signal, number] of Object.entries(SHUTDOWN)) {
    let end = endAtSecond(shutdown, number);
    // Without a terminal it is no hang-up: `nohup` and daemons ignore it.
    if (signal === "SIGHUP" && !atTerminal()) end = request("hangup");
    Deno.addSignalListener(signal as Deno.Signal, end);
  }
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGUSR1", request("state"));
  }
  return { shutdown: shutdown.signal, requests };
}

/** Asks for a shutdown; a late second signal ends the process at once. */
function endAtSecond(shutdown: AbortController, number: number): () => void {
  return () => {
    const since = performance.now() - firstSignal;
    if (since > SAME_REQUEST) Deno.exit(128 + number);
    firstSignal = Math.min(firstSignal, performance.now());
    shutdown.abort();
  };
}

function atTerminal(): boolean {
  return [Deno.stdin, Deno.stdout, Deno.stderr].some((stream) =>
    stream.isTerminal()
  );
}
