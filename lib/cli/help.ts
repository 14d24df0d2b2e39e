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
  OPTIONS,
  optionsIn,
  type Table,
  TRANSPORTS,
} from "../options/schema.ts";
import { PROBE_OPTIONS } from "../probe/options.ts";
import { VERSION } from "../util/version.ts";

/** Columns of a page. */
const WIDTH = 80;

/** A row of a page: an option, and what is said of it. */
type Row = readonly [left: string, right: string];

/** The page of `echoserver --help`. */
export function help(): string {
  return `Usage: echoserver [options]
       echoserver probe [options] <address>    see echoserver probe --help

Echoes what clients send: whole lines, or bytes as they arrive.

${optionGroups(OPTIONS)}

Listeners:
  tcp://HOST:PORT  tls://HOST:PORT  udp://HOST:PORT  unix:PATH  unix:@NAME
  An empty HOST is ${OPTIONS.host.default}; IPv6 goes in brackets; PORT 0 picks a free port.
  Parameters follow a ? and are joined by &. They override the options
  ${sharedParameters()}.

${parameterGroups()}

  Durations: 250ms, 2s, 1m, or seconds. Sizes: 512, 64k, 1M, 64Ki, 1Mi bytes.

On SIGTERM or SIGINT it stops listening, lets clients finish the line they have
begun, and exits; a second signal ends it at once. SIGHUP does the same when it
was started from a terminal, and is ignored otherwise.

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

Without --rate, a line is sent when an answer makes room for it. With --count,
only a given --duration ends the probe earlier. Ctrl-C ends it with a report of
what was seen.

Exit code: 0 if every line came back right, 1 if not, 2 for wrong use.

Examples:
  Is it alive?         echoserver probe -n 1 -c 1 --timeout 1 localhost:1050
  Full speed           echoserver probe -c 50 localhost:1050
  Steady load          echoserver probe --rate 10000 -d 60 localhost:1050
  Fail if it is slow   echoserver probe --max-p99 20 localhost:1050
  Who answers?         echoserver probe --greeting --reconnect localhost:1050
  UDP                  echoserver probe --rate 100 udp://localhost:1050`;
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

/** What only listeners have, under its headings. */
function parameterGroups(): string {
  const parameters = Object.entries(optionsIn("url"))
    .filter(([, { places }]) => !places.includes("command"));
  return underHeadings(parameters.map(([name, option]) => ({
    heading: option.group!,
    row: parameterRow(name, option),
  })));
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
  const { placeholder } = option.kind.parameter!;
  const notes = [
    ...option.on ? [transportsOf(option.on)] : [],
    ...option.default === undefined ? [] : [`default ${option.default}`],
  ];
  const note = notes.length > 0 ? ` (${notes.join(", ")})` : "";
  return [`  ${dashed(name)}=<${placeholder}>`, option.help + note];
}

/** The parameters that are options of the command line, too. */
function sharedParameters(): string {
  const options = optionsIn("command", optionsIn("url"));
  return Object.keys(options).map(dashed).join(", ");
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
      return [`${heading}:`, ...lines].join("\n");
    },
  ).join("\n\n");
}
