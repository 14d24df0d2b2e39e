/**
 * Options of a probe.
 *
 * @module
 */

/** What is known while a probe runs. */
export interface ProbeProgress {
  /** Seconds since the first connection was open. */
  seconds: number;
  /** Seconds until it stops sending; undefined if only a count ends it. */
  secondsLeft: number | undefined;
  /** Lines that have come back right. */
  lines: number;
  /** Lines a second that have come back right, since the last progress. */
  linesPerSecond: number;
  /** Median latency so far, in milliseconds; null before the first answer. */
  p50: number | null;
  /** The 99th percentile so far, in milliseconds. */
  p99: number | null;
  /** Errors of all kinds. */
  errors: number;
}

/** Options of a probe; times in seconds. */
export interface ProbeOptions {
  /** @default {10} */
  connections?: number;
  /** @default {0} */
  rate?: number;
  /** @default {10} */
  duration?: number;
  /** @default {1} */
  inFlight?: number;
  /** Lines. */
  count?: number;
  /** @default {64} */
  size?: number;
  /** @default {false} */
  reconnect?: boolean;
  /** @default {5} */
  timeout?: number;
  /** PEM text. */
  caCert?: string;
  /** SHA-256, hex. */
  fingerprint?: string;
  /** @default {false} */
  greeting?: boolean;
  /** Whole number. */
  seed?: number;
  /** Ends it early. */
  signal?: AbortSignal;
  /** Hears how it goes. */
  onProgress?: (progress: ProbeProgress) => void;
}

/** Options of a probe, resolved. */
export interface ProbeSettings {
  readonly connections: number;
  readonly rate: number;
  readonly duration: number | undefined;
  readonly inFlight: number;
  readonly count: number | undefined;
  readonly size: number;
  readonly reconnect: boolean;
  readonly timeout: number;
  readonly caCert?: string;
  readonly fingerprint?: string;
  readonly greeting: boolean;
  readonly seed: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ProbeProgress) => void;
}

/** Where to. */
export interface Target {
  readonly transport: "tcp" | "tls" | "udp" | "unix";
  readonly hostname: string;
  readonly port: number;
  readonly path: string;
}

/** Fills in the defaults. */
export function resolveProbe(
  options: ProbeOptions,
  _target?: Pick<Target, "transport">,
): ProbeSettings {
  const { count } = options;
  return {
    connections: 10,
    rate: 0,
    inFlight: 1,
    size: 64,
    reconnect: false,
    timeout: 5,
    greeting: false,
    seed: Math.floor(Math.random() * 2 ** 32),
    ...options,
    count,
    duration: options.duration ?? (count === undefined ? 10 : undefined),
  };
}

/** Reads an address. */
export function parseTarget(address: string): Target {
  const [, scheme = "tcp", rest = ""] = address.match(
    /^(?:(tcp|tls|udp|unix):(?:\/\/)?)?(.*)$/,
  )!;
  const transport = scheme as Target["transport"];
  if (transport === "unix") {
    return { transport, hostname: "", port: 0, path: rest };
  }
  const [, bracketed, plain, port] =
    rest.match(/^(?:\[(.+)\]|([^:]+)):(\d+)$/) ?? [];
  if (port === undefined) throw new TypeError(`bad address ${address}`);
  return {
    transport,
    hostname: bracketed ?? plain!,
    port: Number(port),
    path: "",
  };
}
