/**
 * The command line: from words to what they ask for.
 *
 * @module
 */

import type { ParseArgsOptionsConfig } from "node:util";
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
  TRANSPORTS,
} from "../options/schema.ts";
import type { ProbeOptions } from "../probe/options.ts";
import type { LoggerOptions } from "../telemetry/logger.ts";
import { quote } from "../util/check.ts";
import { nearest } from "../util/nearest.ts";

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

/** The values on a command line, by the names of their options in the API. */
type Written<T extends Table> = {
  [N in keyof T]?: T[N] extends Option<infer Value, infer _> ? Value : never;
};

/** The options of one command, and where its help is. */
interface Syntax<T extends Table> {
  readonly table: T;
  readonly help: string;
  /** Where options that it does not have may be known. */
  elsewhere(): Promise<readonly Elsewhere[]>;
}

/** A place that has options which this command has not. */
interface Elsewhere {
  readonly table: Table;
  /** What it is there, for an option that was written here. */
  hint(name: string, option: Table[string]): string;
}

const SERVE: Syntax<typeof OPTIONS> = {
  table: OPTIONS,
  help: "echoserver --help",
  elsewhere: async () => [
    { table: optionsIn("url"), hint: parameterHint },
    {
      table: optionsIn("command", (await loadProbe()).PROBE_OPTIONS),
      hint: () => "it is an option of echoserver probe",
    },
  ],
};

/** Loaded for a probe only: a server starts sooner without it. */
const loadProbe = () => import("../probe/options.ts");

/**
 * Reads the command line.
 *
 * @throws {Error} If it is wrong: an unknown option, a value that an option
 * does not take, a stray word. The message says so in one line.
 */
export async function parseCommandLine(args: string[]): Promise<Command> {
  const [first, ...rest] = args;
  // What starts most often starts fastest: nothing more is loaded.
  if (first === undefined) return serveCommand({});
  return first === "probe" ? await parseProbe(rest) : await parseServe(args);
}

async function parseServe(args: string[]): Promise<Command> {
  const values = await readArguments(args, SERVE, (word) => {
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
  const options = Object.keys(optionsIn("command", SERVE.table)).map(dashed);
  if (options.includes(word)) return `use --${word}`;
  const meant = nearest(word, ["probe"]);
  return meant ? `did you mean ${meant}?` : `see ${SERVE.help}`;
}

function serveCommand(values: Written<typeof OPTIONS>): ServeCommand {
  const { quiet, verbose, logFormat } = values;
  if (quiet && verbose) {
    throw new Error("--quiet and --verbose cannot be combined");
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
  const probe = await loadProbe();
  const syntax: Syntax<typeof probe.PROBE_OPTIONS> = {
    table: probe.PROBE_OPTIONS,
    help: "echoserver probe --help",
    elsewhere: () =>
      Promise.resolve([{
        table: optionsIn("command"),
        hint: () => "it is an option of the server",
      }]),
  };
  const addresses: string[] = [];
  const values = await readArguments(
    args,
    syntax,
    (word) => addresses.push(word),
  );
  if (values.help) return { name: "help", of: "probe" };
  const [address, stray] = addresses;
  if (address === undefined) {
    throw new Error(`probe takes ${probe.ADDRESSES}, but none was given`);
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
  const given = known.filter(([name]) => values[name] !== undefined);
  return Object.fromEntries(given.map(([name, { kind }]) => {
    return [kind.inFile ? `${name}File` : name, values[name]];
  }));
}

/**
 * Reads options, and hands on every word that is none. What follows `--help` or
 * `--version` is not read.
 */
async function readArguments<T extends Table>(
  args: string[],
  syntax: Syntax<T>,
  onWord: (word: string) => void,
): Promise<Written<T>> {
  const { table } = syntax;
  const names = new Map(
    Object.keys(optionsIn("command", table)).map((name) => [
      dashed(name),
      name,
    ]),
  );
  const values: Record<string, unknown> = {};
  for (const token of await tokensOf(args, table)) {
    if (token.kind === "positional") onWord(token.value);
    if (token.kind !== "option") continue;
    const name = names.get(token.name);
    if (name === undefined) {
      throw new Error(await unknownOption(token, [...names.keys()], syntax));
    }
    const value = readValue(table[name]!, token);
    values[name] = table[name]!.repeatable
      ? [...values[name] as unknown[] ?? [], value]
      : value;
    if (name === "help" || name === "version") break;
  }
  return values as Written<T>;
}

/** An option as it was written. */
interface Token {
  readonly name: string;
  readonly rawName: string;
  readonly value?: string | undefined;
}

/** Splits the command line into options and words, without judging them. */
async function tokensOf(args: string[], table: Table) {
  // Loading it takes longer than all else here, and many never need it.
  const { parseArgs } = await import("node:util");
  const options: ParseArgsOptionsConfig = {};
  for (const [name, option] of Object.entries(optionsIn("command", table))) {
    const type = option.kind.option ? "string" : "boolean";
    options[dashed(name)] = {
      type,
      ...option.short !== undefined && { short: option.short },
    };
  }
  return parseArgs({ args, options, strict: false, tokens: true }).tokens;
}

function readValue({ kind }: Table[string], { name, value }: Token): unknown {
  if (kind.option) return readText(`--${name}`, kind.option, value);
  if (value === undefined) return true;
  throw new Error(`--${name} takes no value, not ${quote(value)}`);
}

async function unknownOption<T extends Table>(
  token: Token,
  names: string[],
  { help, elsewhere }: Syntax<T>,
): Promise<string> {
  const meant = nearest(token.name, names);
  const hint = hintOf(token, await elsewhere()) ??
    (meant ? `did you mean --${meant}?` : `see ${help}`);
  return `unknown option ${quote(token.rawName)}: ${hint}`;
}

/** What the option is where it is known. */
function hintOf(
  { name: written }: Token,
  places: readonly Elsewhere[],
): string | undefined {
  for (const { table, hint } of places) {
    for (const [name, option] of Object.entries(table)) {
      if (written !== dashed(name) && written !== option.short) continue;
      return hint(dashed(name), option);
    }
  }
}

function parameterHint(name: string, { kind, on }: Table[string]): string {
  const [transport] = on ?? TRANSPORTS;
  const example = `${transport}://:1050?${name}=<${
    kind.parameter!.placeholder
  }>`;
  return `it is a parameter of a listener: --listen '${example}'`;
}
