/**
 * The command `echoserver`: reads its arguments, starts the server, and shuts it down at a signal.
 *
 * @module
 */

import { help, parseCommandLine, UsageError, version } from "./lib/cli.ts";
import { EchoServer, EchoSupervisor, logger } from "./lib/mod.ts";
import { reasonOf } from "./lib/reason.ts";

/** Numbers of the signals that end the server: its exit code is 128 and this, if it is not to wait. */
const SIGNALS: Partial<Record<Deno.Signal, number>> =
  Deno.build.os === "windows"
    ? { SIGINT: 2, SIGBREAK: 21 }
    : { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

/** Runs the command until the server has ended. */
async function main(): Promise<number> {
  const command = parseCommandLine(Deno.args);
  if (command.name !== "serve") {
    console.log(command.name === "help" ? help() : version());
    return 0;
  }
  const log = logger(command.log);
  try {
    const tree = await EchoSupervisor.start(EchoServer, {
      ...command.options,
      onEvent: log,
    });
    shutDownAtSignal(tree);
    await tree.finished;
    return 0;
  } catch (error) {
    log({ type: "failure", reason: reasonOf(error) });
    return 1;
  }
}

/** The first signal begins the shutdown, the second ends it. */
function shutDownAtSignal(tree: EchoSupervisor): void {
  let shuttingDown = false;
  for (const [signal, number] of Object.entries(SIGNALS)) {
    Deno.addSignalListener(signal as Deno.Signal, () => {
      if (shuttingDown) Deno.exit(128 + number);
      shuttingDown = true;
      tree.shutdown();
    });
  }
}

try {
  Deno.exit(await main());
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`echoserver: ${error.message}`);
  Deno.exit(2);
}
