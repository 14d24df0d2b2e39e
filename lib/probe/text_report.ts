/**
 * The report of a probe, as people read it.
 *
 * @module
 */

import { escapeControls, wrap } from "../util/text.ts";
import { withHint } from "./hints.ts";
import { bar, bins, sparkline } from "./plot.ts";
import type { ProbeSettings } from "./options.ts";
import {
  plural,
  showBytes,
  showCount,
  showRate,
  showTime,
} from "./quantities.ts";
import type { ProbeReport, ProbeTimes } from "./report.ts";
import type { ProbeResult } from "./runner.ts";
import { errorsIn, type Verdict, verdictOf } from "./verdict.ts";

/** Rows of the histogram. */
const BINS = 12;
/** Latencies from which a histogram has a shape. */
const ENOUGH = 20;
/** The share of a rate that counts as the whole. */
const REACHED = 0.95;
/** Columns of the labels on the left. */
const LABEL = 13;
/** Columns of one kind of latency. */
const COLUMN = 12;

const TIMES: readonly (keyof ProbeTimes)[] = [
  "min",
  "p50",
  "p90",
  "p99",
  "p99_9",
  "max",
  "mean",
];

/** How the report is shown. */
export interface TextReportOptions {
  /** Milliseconds that the 99th percentile may have. */
  maxP99?: number | undefined;
  /** Columns that it may take. */
  width: number;
  /** Whether it may have colours. */
  colour: boolean;
}

/** Marks text for a terminal. */
interface Style {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  bad(text: string): string;
  plot(text: string): string;
}

/** Writes the report, in lines that each end with LF. */
export function textReport(
  result: ProbeResult,
  settings: ProbeSettings,
  { width, colour, maxP99 }: TextReportOptions,
): string {
  const style = colour ? COLOURED : PLAIN;
  const blocks = [
    [
      style.bold(`Probe of ${escapeControls(result.report.target)}`),
      ...wrap(asked(settings), width).map(style.dim),
    ],
    totals(result, settings, width),
    percentiles(result.report, style),
    histogram(result, width, style),
    verdictLines(verdictOf(result.report, maxP99), width, style),
  ];
  return blocks.filter((block) => block.length > 0)
    .map((block) => block.map((line) => `${line}\n`).join("")).join("\n");
}

function asked(settings: ProbeSettings): string {
  const { connections, inFlight, rate, size, duration, count } = settings;
  const each = settings.reconnect
    ? "a new one for each line"
    : `${plural(inFlight, "line")} in flight each`;
  return [
    plural(connections, "connection"),
    each,
    `lines of ${showCount(size)} bytes`,
    rate > 0 ? `${showRate(rate)} in total` : "as fast as answers come",
    count === undefined ? "" : plural(count, "line"),
    duration === undefined ? "" : `for ${duration} s`,
  ].filter((part) => part).join(", ");
}

function totals(
  { report, rates }: ProbeResult,
  { rate }: ProbeSettings,
  width: number,
): string[] {
  const { lines, lines_per_second, bytes, seconds, connections } = report;
  const { connect_ms, errors, greetings } = report;
  const opened = connect_ms.p50 === null
    ? ""
    : `  opened in ${showTime(connect_ms.p50)} (median), ` +
      `${showTime(connect_ms.max)} (max)`;
  const speed = seconds > 0 ? `, ${showBytes(bytes / seconds)}/s` : "";
  const missed = report.ok && lines_per_second < rate * REACHED
    ? `; ${showRate(rate)} was not reached`
    : "";
  const rows = [
    row(
      "Lines",
      `${showCount(lines)}  ${showRate(lines_per_second)}${speed}${missed}`,
    ),
    row("Connections", `${showCount(connections)}${opened}`),
    row("Errors", errorsIn(errors) || "none"),
    row(
      "Time",
      `${seconds.toFixed(2)} s${report.stopped_early ? ", stopped early" : ""}`,
    ),
  ];
  for (const [name, count] of Object.entries(greetings ?? {})) {
    const who = escapeControls(name);
    rows.push(row("Answered by", `${who}  ${plural(count, "connection")}`));
  }
  const curve = rates.rates(Math.min(40, width - LABEL - 20));
  if (curve.length > 1) {
    const top = showRate(Math.max(...curve));
    rows.push(row("Rate", `${sparkline(curve)}  up to ${top}`));
  }
  return rows;
}

function percentiles(report: ProbeReport, style: Style): string[] {
  const { latency_ms, uncorrected_latency_ms: uncorrected } = report;
  if (latency_ms.max === null) return [];
  const from = uncorrected
    ? `${"from due".padStart(COLUMN)}${"from sent".padStart(COLUMN)}`
    : "  from sending to answer; no schedule (closed loop)";
  const rows = TIMES.map((key) => {
    const times = uncorrected
      ? [latency_ms[key], uncorrected[key]]
      : [latency_ms[key]];
    const columns = times.map((time) => showTime(time).padStart(COLUMN));
    const label = key.replace("_", ".").padEnd(6);
    return `  ${label}${columns.join("")}`;
  });
  return [`${style.bold("Latency")} ${style.dim(from)}`, ...rows];
}

function histogram(
  { tally }: ProbeResult,
  width: number,
  style: Style,
): string[] {
  if (tally.latencies.count < ENOUGH) return [];
  const rows = bins(tally.latencies, BINS);
  const most = Math.max(...rows.map(({ count }) => count));
  const counts = rows.map(({ count }) => showCount(count));
  const digits = Math.max(...counts.map(({ length }) => length));
  const room = width - LABEL - digits - 3;
  return rows.map(({ from, count }, i) => {
    const label = showTime(from).padStart(LABEL);
    const drawn = style.plot(bar(count / most, room));
    return `${label} ${drawn} ${style.dim(counts[i]!)}`;
  });
}

function verdictLines(
  { ok, text }: Verdict,
  width: number,
  style: Style,
): string[] {
  const mark = ok ? "✔ OK" : "✘ FAILED";
  const paint = ok ? style.good : style.bad;
  // Colours take no columns, so that they come after the wrapping.
  const said = escapeControls(withHint(text));
  const [first, ...rest] = wrap(`${mark}: ${said}`, width);
  return [first!.replace(mark, paint), ...rest];
}

function row(label: string, value: string): string {
  return `${label.padEnd(LABEL)} ${value}`;
}

function sgr(code: number): (text: string) => string {
  return (text) => `\x1b[${code}m${text}\x1b[0m`;
}

const COLOURED: Style = {
  bold: sgr(1),
  dim: sgr(2),
  good: sgr(32),
  bad: sgr(31),
  plot: sgr(36),
};

const same = (text: string): string => text;
const PLAIN: Style = {
  bold: same,
  dim: same,
  good: same,
  bad: same,
  plot: same,
};
