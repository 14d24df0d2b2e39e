/**
 * From arguments to an exit code.
 *
 * @module
 */

import { plainReasonOf, reasonOf } from "../util/text.ts";
import { type Command, parseCommandLine } from "./command.ts";
// Loaded with this module and not on demand, as all else is: the server is
// started most often, and starts sooner so.
import { serve } from "./serve.ts";
import type { Signals } from "./signals.ts";

/** A command that prints a page. */
type PageCommand = Exclude<Command, { name: "serve" | "probe" }>;

/**
 * Runs the command that `args` ask for.
 *
 * @returns The exit code: 0 done, 1 it could not run, 2 wrong use.
 */
export async function run(args: string[], signals: Signals): Promise<number> {
  let command: Command;
  try {
    command = await parseCommandLine(args);
  } catch (error) {
    console.error(`echoserver: ${reasonOf(error)}`);
    return 2;
  }
  switch (command.name) {
    case "serve":
      return await serve(command, signals);
    case "probe": {
      const { probeCommand } = await import("./probe.ts");
      return await probeCommand(command, { signal: signals.shutdown });
    }
    default:
      return await print(command);
  }
}

/** Prints a page. */
async function print(command: PageCommand): Promise<number> {
  const { writeText } = await import("./output.ts");
  try {
    writeText(Deno.stdout, `${await page(command)}\n`);
    return 0;
  } catch (error) {
    console.error(`echoserver: Cannot print: ${plainReasonOf(error)}`);
    return 1;
  }
}

/** What `--help` and `--version` print. */
async function page(command: PageCommand): Promise<string> {
  const { help, probeHelp, version } = await import("./help.ts");
  if (command.name === "version") return version();
  return command.of === "probe" ? probeHelp() : help();
}
