/**
 * The command line: from words to what they ask for.
 *
 * @module
 */

import type { EchoSupervisorOptions } from "../options/options.ts";
import { checkTogether } from "../options/options.ts";
import { readText } from "../options/kinds.ts";
import { parseListen } from "../options/listen.ts";
import {
  COMMAND_LINE,
  dashed,
  type Option,
  OPTIONS,
  optionsIn,
  type Table,
} from "../options/schema.ts";
import type { ProbeOptions } from "../probe/options.ts";
import type { LoggerOptions } from "../telemetry/logger.ts";
import { quote } from "../util/check.ts";
import { nearest } from "../util/nearest.ts";
import { type OptionToken, splitArguments } from "./arguments.ts";

/** What the command line asks for. */
export type Command =
  | { name: "help"; of: "serve" | "probe" }
  | { name: "version" }
  | ServeCommand
  | ProbeCommand;

/** To serve. */
export interface ServeCommand {
  name: "serve";
  /** Certificate and key are still in their files. */
  options: EchoSupervisorOptions & {
    tlsCertFile?: string;
    tlsKeyFile?: string;
  };
  log: LoggerOptions;
}

/** To probe. */
export interface ProbeCommand {
  name: "probe";
  /** What `parseTarget` takes. */
  address: string;
  options: ProbeOptions;
  /** Whether the report is JSON. */
  json: boolean;
  /** The most milliseconds that the 99th percentile may have. */
  maxP99?: number;
  /** The file that `caCert` is in. */
  caCertFile?: string;
}

/** What was written of the options of a table, by their names in the API. */
type Written<T extends Table> = {
  [N in keyof T]?: T[N] extends Option<infer Value, infer _> ? Value : never;
};

/** The options of one command, and where its help is. */
interface Syntax<T extends Table> {
  readonly table: T;
  readonly help: string;
}

const SERVE = { table: OPTIONS, help: "echoserver --help" };

/**
 * Reads the command line.
 *
 * @throws {Error} If it is wrong: an unknown option, a value that an option
 * does not take, a stray word. The message says so in one line.
 */
export async function parseCommandLine(args: string[]): Promise<Command> {
  const [first, ...rest] = args;
  // What starts most often starts fastest.
  if (first === undefined) return serveCommand({});
  return first === "probe" ? await parseProbe(rest) : parseServe(args);
}

function parseServe(args: string[]): Command {
  const values = readArguments(args, SERVE, (word) => {
    throw new Error(`unexpected ${quote(word)}: ${cureOf(word)}`);
  });
  if (values.help) return { name: "help", of: "serve" };
  if (values.version) return { name: "version" };
  return serveCommand(values);
}

/** What to do with a word that is no option of serving. */
function cureOf(word: string): string {
  if (OPTIONS.port.kind.option?.read(word) !== undefined) {
    return `use --port ${word}`;
  }
  if (word === "probe") return "it must come first";
  const meant = nearest(word, ["probe"]);
  return meant ? `did you mean ${meant}?` : `see ${SERVE.help}`;
}

function serveCommand(values: Written<typeof OPTIONS>): ServeCommand {
  const { quiet, verbose, logFormat } = values;
  if (quiet && verbose) {
    throw new Error("--quiet and --verbose exclude each other");
  }
  checkTogether(values as EchoSupervisorOptions, COMMAND_LINE);
  const options: ServeCommand["options"] = optionsOf(values, OPTIONS);
  if (values.listen) {
    const urls = values.listen as string[];
    options.listen = urls.map((url) => parseListen(url, "--listen"));
  }
  return {
    name: "serve",
    options,
    log: {
      ...logFormat !== undefined && { format: logFormat },
      verbosity: quiet ? "quiet" : verbose ? "verbose" : "normal",
    },
  };
}

async function parseProbe(args: string[]): Promise<Command> {
  const probe = await import("../probe/options.ts");
  const addresses: string[] = [];
  const values = readArguments(
    args,
    { table: probe.PROBE_OPTIONS, help: "echoserver probe --help" },
    (word) => addresses.push(word),
  );
  if (values.help) return { name: "help", of: "probe" };
  const [address, stray] = addresses;
  if (address === undefined) {
    throw new Error(`probe takes ${probe.ADDRESSES}, and none is given`);
  }
  if (stray !== undefined) {
    throw new Error(`unexpected ${quote(stray)}: probe takes one address`);
  }
  const target = probe.parseTarget(address);
  probe.checkTarget(values, target, COMMAND_LINE);
  const { json = false, maxP99, caCert } = values;
  const { caCertFile: _, ...options } = optionsOf(values, probe.PROBE_OPTIONS);
  return {
    name: "probe",
    address,
    options,
    json,
    ...maxP99 !== undefined && { maxP99 },
    ...caCert !== undefined && { caCertFile: caCert },
  };
}

/** Those options that the API has; of what is in a file, the file's name. */
function optionsOf<T extends Table>(
  values: Written<T>,
  table: T,
): Record<string, unknown> {
  const known = Object.entries(optionsIn("api", table));
  return Object.fromEntries(
    known.filter(([name]) => values[name] !== undefined).map((
      [name, { kind }],
    ) => [kind.inFile ? `${name}File` : name, values[name]]),
  );
}

/**
 * Reads options, and hands on every word that is none. What follows `--help` or
 * `--version` is not read.
 */
function readArguments<T extends Table>(
  args: string[],
  { table, help }: Syntax<T>,
  onWord: (word: string) => void,
): Written<T> {
  const names = new Map(
    Object.keys(optionsIn("command", table)).map((name) => [
      dashed(name),
      name,
    ]),
  );
  const values: Record<string, unknown> = {};
  for (const token of tokensOf(args, table)) {
    if (token.kind === "operand") {
      onWord(token.value);
      continue;
    }
    const name = names.get(token.name);
    if (name === undefined) {
      throw new Error(unknownOption(token, [...names.keys()], help));
    }
    const value = readValue(table[name]!, token);
    values[name] = table[name]!.repeatable
      ? [...values[name] as unknown[] ?? [], value]
      : value;
    if (name === "help" || name === "version") break;
  }
  return values as Written<T>;
}

/** Splits the command line into options and words, without judging them. */
function tokensOf(args: string[], table: Table) {
  const options = Object.entries(optionsIn("command", table));
  const syntax = options.map(([name, { kind, short }]) =>
    [dashed(name), { takesValue: kind.option !== undefined, short }] as const
  );
  return splitArguments(args, new Map(syntax));
}

function readValue(
  { kind }: Table[string],
  { name, value }: OptionToken,
): unknown {
  if (kind.option) return readText(`--${name}`, kind.option, value);
  if (value === undefined) return true;
  throw new Error(`--${name} takes no value, not ${quote(value)}`);
}

function unknownOption(
  { name, rawName }: OptionToken,
  names: string[],
  help: string,
): string {
  const meant = nearest(name, names);
  const hint = meant ? `did you mean --${meant}?` : `see ${help}`;
  return `unknown option ${quote(rawName)}: ${hint}`;
}
