/**
 * Counts as Prometheus reads them: text format 0.0.4.
 *
 * @module
 */

import {
  ENDINGS,
  type ListenerSnapshot,
  REJECT_REASONS,
} from "../telemetry/counters.ts";
import { DURATION_BOUNDS } from "../telemetry/histogram.ts";
import type { AdminSnapshot, AdminSource } from "./source.ts";

/** The content type of {@linkcode metrics}. */
export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

type Labels = Record<string, string>;

/** One value of a metric. */
interface Sample {
  /** Follows the metric's name, only in a histogram. */
  suffix?: "_bucket" | "_sum" | "_count";
  labels?: Labels;
  value: number;
}

/** A metric that each listener has. */
interface Metric {
  name: string;
  type: "counter" | "gauge" | "histogram";
  help: string;
  samples(of: ListenerSnapshot): Sample[];
}

const METRICS: readonly Metric[] = [
  {
    name: "echoserver_connections_accepted_total",
    type: "counter",
    help: "Connections accepted: those open, closed and rejected.",
    samples: ({ accepted }) => [{ value: accepted }],
  },
  {
    name: "echoserver_connections_open",
    type: "gauge",
    help: "Connections open now.",
    samples: ({ open }) => [{ value: open }],
  },
  {
    name: "echoserver_connections_closed_total",
    type: "counter",
    help: "Connections closed, by how they ended.",
    samples: ({ closed }) =>
      ENDINGS.map((ending) => ({ labels: { ending }, value: closed[ending] })),
  },
  {
    name: "echoserver_connections_rejected_total",
    type: "counter",
    help: "Connections accepted but not served, by the reason.",
    samples: ({ rejected }) =>
      REJECT_REASONS.map((reason) => ({
        labels: { reason },
        value: rejected[reason],
      })),
  },
  {
    name: "echoserver_received_bytes_total",
    type: "counter",
    help: "Bytes received from clients.",
    samples: ({ bytesIn }) => [{ value: bytesIn }],
  },
  {
    name: "echoserver_sent_bytes_total",
    type: "counter",
    help: "Bytes sent to clients.",
    samples: ({ bytesOut }) => [{ value: bytesOut }],
  },
  {
    name: "echoserver_datagrams_received_total",
    type: "counter",
    help: "Datagrams received.",
    samples: ({ datagramsIn }) => [{ value: datagramsIn }],
  },
  {
    name: "echoserver_datagrams_sent_total",
    type: "counter",
    help: "Datagrams sent.",
    samples: ({ datagramsOut }) => [{ value: datagramsOut }],
  },
  {
    name: "echoserver_connection_duration_seconds",
    type: "histogram",
    help: "How long closed connections had lasted.",
    samples: ({ durations }) => bucketsOf(durations),
  },
];

/** All metrics of a server. */
export function metrics(
  { name, version }: Pick<AdminSource, "name" | "version">,
  { listeners, restarts }: AdminSnapshot,
): string {
  const lines: string[] = [];
  for (const metric of METRICS) {
    lines.push(...head(metric.name, metric.type, metric.help));
    for (const { listener, ...counts } of listeners) {
      for (const { suffix = "", labels, value } of metric.samples(counts)) {
        lines.push(line(metric.name + suffix, { listener, ...labels }, value));
      }
    }
  }
  lines.push(
    ...head(
      "echoserver_restarts_total",
      "counter",
      "Number of times that a part of the server was restarted.",
    ),
    line("echoserver_restarts_total", {}, restarts),
    ...head(
      "echoserver_build_info",
      "gauge",
      "Which server this is; always 1.",
    ),
    line("echoserver_build_info", { version, name }, 1),
  );
  return lines.join("\n") + "\n";
}

/** Buckets of Prometheus are cumulative. */
function bucketsOf({ counts, sum }: ListenerSnapshot["durations"]): Sample[] {
  let value = 0;
  const samples = counts.map((count, bucket): Sample => {
    const le = String(DURATION_BOUNDS[bucket] ?? "+Inf");
    return { suffix: "_bucket", labels: { le }, value: value += count };
  });
  return [
    ...samples,
    { suffix: "_sum", value: sum },
    { suffix: "_count", value },
  ];
}

function head(name: string, type: Metric["type"], help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels)
    .map(([label, text]) => `${label}="${escapeLabel(text)}"`);
  return `${name}${pairs.length > 0 ? `{${pairs}}` : ""} ${value}`;
}

/** The three characters that the format escapes. */
function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')
    .replaceAll("\n", "\\n");
}
