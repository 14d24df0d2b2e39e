import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { escapeControls } from "../util/text.ts";
import { type Limit, type LimitName, LIMITS } from "../options/limits.ts";
import {
  LOG_FORMATS,
  type LogFormat,
  type LoggerOptions,
} from "../telemetry/logger.ts";
import {
  DEFAULT_HOST,
  type EchoSupervisorOptions,
  type Mode,
  MODES,
} from "../options/options.ts";
import deno from "../../deno.json" with { type: "json" };

/** What the command line asks for. */
export type Command =
  | { name: "help" | "version" }
  | { name: "serve"; options: EchoSupervisorOptions; log: LoggerOptions };

/** One option: parsing, checking and help are made from these. */
interface Option {
  readonly short?: string;
  /** What the value is called in the help, unless it is one of `words`. */
  readonly value?: string;
  readonly help: string;
  /** The number that the value sets. */
  readonly sets?: LimitName;
  /** The words that the value may be, the default first. */
  readonly words?: readonly string[];
  /** The default, where the value may be anything. */
  readonly default?: string;
}

const OPTIONS = {
  "port": {
    short: "p",
    value: "port",
    sets: "port",
    help: "0 picks a free one",
  },
  "host": {
    value: "address",
    default: DEFAULT_HOST,
    help: "address to listen on; :: takes IPv4 and IPv6",
  },
  "mode": {
    words: MODES,
    help: "echo whole lines, or bytes as they come",
  },
  "max-line-length": {
    value: "bytes",
    sets: "maxLineLength",
    help: "a longer line goes back in pieces",
  },
  "max-connections": {
    value: "n",
    sets: "maxConnections",
    help: "served at a time; more wait in the backlog",
  },
  "idle-timeout": {
    value: "seconds",
    sets: "idleTimeout",
    help: "close a connection after so much silence; 0 never",
  },
  "shutdown-timeout": {
    value: "seconds",
    sets: "shutdownTimeout",
    help: "how long a shutdown waits for open connections",
  },
  "backlog": {
    value: "n",
    sets: "backlog",
    help: "connections that the kernel queues",
  },
  "workers": {
    value: "n",
    sets: "workers",
    help: "threads that share the port and the connections",
  },
  "log-format": {
    words: LOG_FORMATS,
    help: "log lines as text or as JSON",
  },
  "quiet": { short: "q", help: "log warnings and errors only" },
  "verbose": { short: "v", help: "log each connection that ends" },
  "help": { short: "h", help: "show this help" },
  "version": { short: "V", help: "show the version" },
} as const satisfies Record<string, Option>;

type OptionName = keyof typeof OPTIONS;

const SEE_HELP = "see echoserver --help";
/** Columns of the help page, and the one in which explanations begin. */
const WIDTH = 80;
const HELP_COLUMN = 36;

/**
 * Reads the command line.
 *
 * @throws {Error} If it is wrong: an unknown option, a value that an option
 * does not take, a stray word. The message says so in one line.
 */
export function parseCommandLine(args: string[]): Command {
  const { tokens } = parseArgs({
    args,
    options: parserOptions(),
    strict: false,
    tokens: true,
  });
  const given: Partial<Record<OptionName, string>> = {};
  for (const token of tokens) {
    if (token.kind === "positional") throw new Error(strayWord(token.value));
    if (token.kind === "option-terminator") continue;
    const { name, rawName } = token;
    if (!isOption(name)) {
      throw new Error(`unknown option ${quote(rawName)}: ${SEE_HELP}`);
    }
    given[name] = checkValue(name, token.value);
    if (name === "help" || name === "version") return { name };
  }
  return serveCommand(given);
}

function parserOptions(): ParseArgsOptionsConfig {
  return Object.fromEntries(
    Object.entries<Option>(OPTIONS).map(([name, option]) => [
      name,
      {
        type: placeholder(option) ? "string" as const : "boolean" as const,
        ...option.short && { short: option.short },
      },
    ]),
  );
}

/** What stands for the value in the help; an option without is a switch. */
function placeholder({ value, words }: Option): string | undefined {
  return value ?? words?.join("|");
}

function isOption(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name);
}

/**
 * Gives back the value of an option that takes one, or what stands for a switch
 * that is on.
 */
function checkValue(name: OptionName, value: string | undefined): string {
  const option: Option = OPTIONS[name];
  if (!placeholder(option)) {
    if (value !== undefined) {
      throw new Error(`--${name} takes no value, not ${quote(value)}`);
    }
    return "on";
  }
  if (value && accepts(option, value)) return value;
  const instead = value === undefined
    ? "and none is given"
    : `not ${quote(value)}`;
  throw new Error(`--${name} takes ${expected(option)}, ${instead}`);
}

function accepts({ sets, words }: Option, value: string): boolean {
  if (words) return words.includes(value);
  if (!sets) return !value.startsWith("-");
  const { min, max }: Limit = LIMITS[sets];
  return /^[0-9]+$/.test(value) && Number(value) >= min && Number(value) <= max;
}

function expected({ sets, words }: Option): string {
  if (words) return words.join(" or ");
  return sets
    ? `a whole number from ${LIMITS[sets].min} to ${LIMITS[sets].max}`
    : "an address";
}

function strayWord(word: string): string {
  const cure = accepts(OPTIONS.port, word) ? `use --port ${word}` : SEE_HELP;
  return `unexpected ${quote(word)}: ${cure}`;
}

/** A word as it was given, without what could steer a terminal. */
function quote(word: string): string {
  return escapeControls(JSON.stringify(word));
}

function serveCommand(given: Partial<Record<OptionName, string>>): Command {
  if (given.quiet && given.verbose) {
    throw new Error("--quiet and --verbose exclude each other");
  }
  const options: EchoSupervisorOptions = {};
  for (const [name, value] of Object.entries(given) as [OptionName, string][]) {
    const { sets }: Option = OPTIONS[name];
    if (sets) options[sets] = Number(value);
  }
  const {
    workers = LIMITS.workers.default,
    maxConnections = LIMITS.maxConnections.default,
  } = options;
  if (workers > maxConnections) {
    throw new Error(
      `--workers takes at most --max-connections (${maxConnections}), not ${workers}`,
    );
  }
  return {
    name: "serve",
    options: {
      ...options,
      ...given.host && { host: given.host },
      ...given.mode && { mode: given.mode as Mode },
    },
    log: {
      ...given["log-format"] && { format: given["log-format"] as LogFormat },
      verbosity: given.quiet ? "quiet" : given.verbose ? "verbose" : "normal",
    },
  };
}

/** The page that `--help` prints, at most 80 columns wide. */
export function help(): string {
  const rows = Object.entries<Option>(OPTIONS).map(([name, option]) => {
    const short = option.short ? `-${option.short}, ` : "    ";
    const value = placeholder(option);
    return [
      `  ${short}--${name}${value ? ` <${value}>` : ""}`,
      wrap(option.help + rangeAndDefault(option), WIDTH - HELP_COLUMN),
    ] as const;
  });
  const indent = `\n${" ".repeat(HELP_COLUMN)}`;
  return `Usage: echoserver [options]

A TCP echo server: every line that a client sends comes back to it.

Options:
${
    rows.map(([left, right]) => left.padEnd(HELP_COLUMN) + right.join(indent))
      .join("\n")
  }

On SIGTERM, SIGINT or SIGHUP it stops listening, lets its clients finish the
line that they have begun, and exits; at the second signal it exits at once.

Examples:
  echoserver                                    lines, on port 1050
  echoserver --host :: --port 7 --mode raw      RFC 862, on IPv4 and IPv6
  echoserver --max-connections 1                one client at a time
  echoserver --workers 4 --log-format json      four threads, JSON lines as log`;
}

function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line ? `${line} ${word}` : word;
  }
  return lines;
}

function rangeAndDefault({ sets, words, default: word }: Option): string {
  if (sets) {
    const { min, max, default: number } = LIMITS[sets];
    return ` (${min} to ${max}, default ${number})`;
  }
  const first = words?.[0] ?? word;
  return first === undefined ? "" : ` (default ${first})`;
}

/** The line that `--version` prints. */
export function version(): string {
  const { build, version } = Deno;
  return `echoserver ${deno.version} (Deno ${version.deno}, ${build.target})`;
}
