/**
 * The pages that `--help` and `--version` print, at most 80 columns wide. Every
 * option in them comes from its row in a schema.
 *
 * @module
 */

import { wrap } from "../util/text.ts";
import type { Transport } from "../net/transport.ts";
import {
  dashed,
  FAULTS,
  LIMITS,
  OPTIONS,
  optionsIn,
  PARAMETERS,
  type Table,
  TRANSPORTS,
} from "../options/schema.ts";
import { PROBE_OPTIONS } from "../probe/options.ts";
import { VERSION } from "../util/version.ts";

/** Columns of a page. */
const WIDTH = 80;

/** What is said below the rows of a heading. */
const NOTES: Readonly<Record<string, string>> = {
  Echo: "A line above --max-line-length comes back in pieces; nothing is lost.",
  [LIMITS]: "Both limits count all listeners together. Clients beyond " +
    "--max-connections wait, those beyond --max-per-address are closed.",
  Access: "Unix sockets are exempt. Behind proxy= the client that the header " +
    "names counts. Refused datagrams get no answer.",
  [FAULTS]:
    "The idle timeout still holds: it ends a connection whose bytes are " +
    "held back longer, blackhole=0 too. The greeting is exempt from faults.",
};

/** A row of a page: an option, and what is said of it. */
type Row = readonly [left: string, right: string];

/** The page of `echoserver --help`. */
export function help(): string {
  return `Usage: echoserver [options]
       echoserver probe [options] <address>    see echoserver probe --help

Echoes what each client sends: whole lines, or bytes as they arrive.

${optionGroups(OPTIONS)}

Listeners:
  tcp://HOST:PORT  tls://HOST:PORT  udp://HOST:PORT  unix:PATH  unix:@NAME
  An empty HOST is ${OPTIONS.host.default}; IPv6 goes in brackets; PORT 0 picks a free port.
  Parameters follow a ? and are joined by &; in their values %26 means &.

${parameterGroups()}

  Durations: 250ms, 2s, 1m, or seconds. Sizes: 512, 64k, 1M, 64Ki, 1Mi bytes.
  The options above take neither: whole seconds, whole bytes.

Admin paths: /livez, /readyz, /metrics, /connections, and / for the live page.

SIGTERM or SIGINT: stop listening, let clients finish the line they have begun,
exit. A second one more than half a second later: exit at once. SIGHUP: the same
if started from a terminal, else ignored. SIGUSR1: log the state; under deno run
it also starts Deno's debugger.

Exit code: 0 after a shutdown, 1 if it could not run, 2 for a usage error,
128 + signal if a second signal ended it.

Examples:
  Lines on port 1050   echoserver
  IPv4 and IPv6        echoserver --host ::
  One at a time        echoserver --max-connections 1
  RFC 862              echoserver --mode raw --listen tcp://:7 --listen udp://:7
  TLS, self-signed     echoserver --listen tls://:1051
  Behind HAProxy       echoserver --listen 'tcp://:1050?proxy=10.0.0.0/8'
  A bad network        echoserver --listen 'tcp://:1050?latency=80ms&limit=1M'
  In production        echoserver --admin 9090 --log-format json`;
}

/** The page of `echoserver probe --help`. */
export function probeHelp(): string {
  return `Usage: echoserver probe [options] <address>

Sends lines to an echo server, compares every byte that comes back, and measures
the latency. The address is HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT,
udp://HOST:PORT, unix:PATH or unix:@NAME.

${optionGroups(PROBE_OPTIONS)}

Without --rate, each connection sends its next line when an answer arrives. With
it, the lines of all connections are spread evenly, and latency counts from when
a line was due; beside it stands the time since it was sent. With --count, there
is no default --duration. Ctrl-C ends the probe early and reports what was seen.

Exit code: 0 if every line came back right, 1 if not or if there was no
connection, 2 for a usage error.

Examples:
  Health check   echoserver probe -n1 -c1 --timeout 1 localhost:1050 >/dev/null
  Full speed     echoserver probe -c 50 localhost:1050
  Steady load    echoserver probe --rate 10000 -d 60 localhost:1050
  Fail if slow   echoserver probe --max-p99 20 localhost:1050
  Who answers?   echoserver probe --greeting --reconnect localhost:1050
  UDP            echoserver probe --rate 100 udp://localhost:1050`;
}

/** The line that `--version` prints. */
export function version(): string {
  const { build, version } = Deno;
  return `echoserver ${VERSION} (Deno ${version.deno}, ${build.target})`;
}

/** The options of a command line under their headings. */
function optionGroups(table: Table): string {
  const options = Object.entries(optionsIn("command", table));
  return underHeadings(options.map(([name, option]) => ({
    heading: option.group!,
    row: optionRow(name, option),
  })));
}

/** What listeners have, under its headings: first what is an option, too. */
function parameterGroups(): string {
  return underHeadings(
    Object.entries(optionsIn("url")).map(([name, option]) => {
      const heading = isShared(option) ? PARAMETERS : option.group!;
      return { heading, row: parameterRow(name, option) };
    }),
  );
}

function optionRow(name: string, option: Table[string]): Row {
  const short = option.short ? `-${option.short}, ` : "    ";
  const form = option.kind.option;
  const value = form ? ` <${form.placeholder}>` : "";
  return [
    `  ${short}--${dashed(name)}${value}`,
    option.help + rangeAndDefault(option),
  ];
}

function parameterRow(name: string, option: Table[string]): Row {
  const shared = isShared(option);
  const { placeholder } = option.kind.parameter!;
  const notes = [
    ...option.on ? [transportsOf(option.on)] : [],
    ...shared || option.default === undefined
      ? []
      : [`default ${option.default}`],
  ];
  const note = notes.length > 0 ? ` (${notes.join(", ")})` : "";
  const help = shared ? `as --${dashed(name)}` : option.help;
  return [`  ${dashed(name)}=<${placeholder}>`, help + note];
}

/** Whether the command line has it, too, for all listeners. */
function isShared({ places }: Table[string]): boolean {
  return places.includes("command");
}

function transportsOf(on: readonly Transport[]): string {
  const others = TRANSPORTS.filter((transport) => !on.includes(transport));
  return others.length < on.length ? `not ${others.join(", ")}` : on.join(", ");
}

function rangeAndDefault({ kind, default: byDefault }: Table[string]): string {
  const { range, option } = kind;
  // A switch is off by default.
  const known = byDefault !== undefined && option ? `default ${byDefault}` : "";
  const parts = [range ? `${range.min} to ${range.max}` : "", known];
  const shown = parts.filter(Boolean).join(", ");
  return shown && ` (${shown})`;
}

/** Lays rows out in two columns, the right one wrapped to the page. */
function underHeadings(rows: { heading: string; row: Row }[]): string {
  const column = Math.max(...rows.map(({ row: [left] }) => left.length)) + 2;
  const indent = `\n${" ".repeat(column)}`;
  return [...Map.groupBy(rows, ({ heading }) => heading)].map(
    ([heading, rows]) => {
      const lines = rows.map(({ row: [left, right] }) =>
        left.padEnd(column) + wrap(right, WIDTH - column).join(indent)
      );
      const note = NOTES[heading] ? wrap(NOTES[heading], WIDTH - 2) : [];
      return [`${heading}:`, ...lines, ...note.map((line) => `  ${line}`)]
        .join("\n");
    },
  ).join("\n\n");
}
