/**
 * The command `echoserver probe`.
 *
 * @module
 */

import {
  parseTarget,
  type ProbeOptions,
  type ProbeProgress,
  type ProbeSettings,
  resolveProbe,
} from "../probe/options.ts";
import { withHint } from "../probe/hints.ts";
import { type ProbeResult, runProbe } from "../probe/runner.ts";
import { judged } from "../probe/verdict.ts";
import { escapeControls, plainReasonOf } from "../util/text.ts";
import type { ProbeCommand } from "./command.ts";
import { writeText } from "./output.ts";
import { readPem } from "./pem.ts";

/** Columns of a report that goes elsewhere than to a terminal, or at most. */
const WIDTH = 80;

/** Where the command writes; standard output or error. */
export interface Screen {
  /** Writes all of it. */
  write(text: string): void;
  /** Its columns, if it is a terminal; asked anew for each line of progress. */
  columns(): number | undefined;
}

/** What surrounds the command. */
export interface ProbeSurroundings {
  /** Ends it early, with the report of what was seen. */
  signal?: AbortSignal;
  /** Takes the report. */
  stdout?: Screen;
  /** Shows progress, and takes what went wrong. */
  stderr?: Screen;
  /** Whether colours are unwanted, even on a terminal. */
  noColor?: boolean;
}

/**
 * Runs the command.
 *
 * @returns The exit code: 0 if every line came back right, and in time; else 1.
 */
export async function probeCommand(
  command: ProbeCommand,
  surroundings: ProbeSurroundings = {},
): Promise<number> {
  const { signal } = surroundings;
  const {
    stdout = screen(Deno.stdout),
    stderr = screen(Deno.stderr),
    noColor = Deno.noColor,
  } = surroundings;
  const progress = await progressOn(stderr);
  try {
    const target = parseTarget(command.address);
    const settings = resolveProbe({
      ...command.options,
      ...await trustOf(command),
      ...progress && { onProgress: progress.show },
      ...signal && { signal },
    }, target);
    const result = await runProbe(target, settings);
    progress?.clear();
    return await show(command, result, settings, stdout, !noColor);
  } catch (error) {
    progress?.clear();
    const reason = escapeControls(withHint(plainReasonOf(error)));
    stderr.write(`echoserver: ${reason}\n`);
    return 1;
  }
}

/** Writes the report, and gives the exit code. */
async function show(
  { json, maxP99 }: ProbeCommand,
  result: ProbeResult,
  settings: ProbeSettings,
  stdout: Screen,
  mayColour: boolean,
): Promise<number> {
  const report = judged(result.report, maxP99);
  if (json) {
    stdout.write(`${escapeControls(JSON.stringify(report))}\n`);
  } else {
    // What is drawn takes time to load, which JSON does not need.
    const { textReport } = await import("../probe/text_report.ts");
    const width = Math.min(widthOf(stdout), WIDTH);
    const colour = mayColour && stdout.columns() !== undefined;
    stdout.write(textReport(result, settings, { width, colour, maxP99 }));
  }
  return report.ok ? 0 : 1;
}

/** A terminal that does not know its columns says 0. */
function widthOf(screen: Screen): number {
  return screen.columns() || WIDTH;
}

/** The certificates of the file that was named. */
async function trustOf(
  { caCertFile }: ProbeCommand,
): Promise<Pick<ProbeOptions, "caCert">> {
  if (caCertFile === undefined) return {};
  return { caCert: await readPem("certificate", caCertFile) };
}

/** Shows how it goes, if there is a terminal to see it on. */
async function progressOn(stderr: Screen): Promise<
  | { show: (progress: ProbeProgress) => void; clear: () => void }
  | undefined
> {
  if (stderr.columns() === undefined) return undefined;
  const { NO_PROGRESS, progressLine } = await import(
    "../probe/progress_line.ts"
  );
  return {
    show: (progress) => {
      stderr.write(progressLine(progress, widthOf(stderr)));
    },
    clear: () => stderr.write(NO_PROGRESS),
  };
}

function screen(to: typeof Deno.stdout | typeof Deno.stderr): Screen {
  const terminal = to.isTerminal();
  return {
    write: (text) => writeText(to, text),
    columns: () => terminal ? Deno.consoleSize().columns : undefined,
  };
}
