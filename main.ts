/**
 * The command `echoserver`.
 *
 * @module
 */

import {
  type Command,
  help,
  parseCommandLine,
  version,
} from "./lib/cli/command.ts";
import { EchoServer, EchoSupervisor, logger } from "./lib/mod.ts";
import { reasonOf } from "./lib/util/text.ts";

/** The signals that shut the server down, and their numbers. */
const SIGNALS = Deno.build.os === "windows"
  ? { SIGINT: 2, SIGBREAK: 21 }
  : { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };

Deno.exit(await main(Deno.args));

async function main(args: string[]): Promise<number> {
  let command: Command;
  try {
    command = parseCommandLine(args);
  } catch (error) {
    console.error(`echoserver: ${reasonOf(error)}`);
    return 2;
  }
  if (command.name === "serve") return await serve(command);
  console.log(command.name === "help" ? help() : version());
  return 0;
}

async function serve(command: Command & { name: "serve" }): Promise<number> {
  const options = { ...command.options, onEvent: logger(command.log) };
  const asked = shutdownAsked();
  try {
    const tree = await EchoSupervisor.start(EchoServer, options);
    asked.then(() => tree.shutdown());
    await tree.finished;
    return 0;
  } catch (error) {
    options.onEvent({ type: "failure", reason: reasonOf(error) });
    return 1;
  }
}

/** Resolves at the first signal; the second does not wait for the end. */
function shutdownAsked(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = false;
  for (const [signal, number] of Object.entries(SIGNALS)) {
    Deno.addSignalListener(signal as keyof typeof SIGNALS, () => {
      if (asked) Deno.exit(128 + number);
      asked = true;
      resolve();
    });
  }
  return promise;
}
