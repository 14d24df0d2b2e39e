/**
 * Listeners: from a URL or an object to what the server gets.
 *
 * @module
 */

import type { FaultSettings } from "../faults/faults.ts";
import type { Transport } from "../net/transport.ts";
import { escapeControls, reasonOf } from "../util/text.ts";
import { quote } from "../util/check.ts";
import { nearest } from "../util/nearest.ts";
import { checkValue, readText } from "./kinds.ts";
import { decode, type Location, parseLocation } from "./location.ts";
import {
  dashed,
  FAULTS,
  isOn,
  type Mode,
  OPTIONS,
  optionsIn,
  type Table,
} from "./schema.ts";

/**
 * A listener of the option `listen`, as an object: the same as its URL. Times are
 * in seconds. What is left out is taken from the server's option of that name.
 * Unknown fields are ignored.
 */
export interface ListenOptions extends FaultSettings {
  /**
   * `tcp`, `tls`, `udp`, or `unix`.
   *
   * @default {"tcp"}
   */
  transport?: Transport;
  /**
   * Address to listen on, or a name of this machine; `::` takes IPv4 and IPv6.
   * Not for `unix`.
   *
   * @default {"0.0.0.0"}
   */
  host?: string;
  /**
   * Port to listen on, 0 to 65535; 0 picks a free one. Not for `unix`.
   *
   * @default {1050}
   */
  port?: number;
  /**
   * Path of the socket, at most 107 bytes; `@` and a name is an abstract socket
   * of Linux. For `unix` only, where it must be given. A file there that is a
   * socket on which nobody listens is replaced.
   */
  path?: string;
  /** `line` or `raw`. Not for `udp`, as the next three. */
  mode?: Mode;
  /** Most bytes held of an unfinished line, 1 to 16777216. */
  maxLineLength?: number;
  /**
   * Seconds without a byte either way after which a connection is closed, 0 to
   * 86400, fractions too; 0 is never.
   */
  idleTimeout?: number;
  /** Whether each connection begins with a line of JSON that says who answers. */
  greeting?: boolean;
  /**
   * Addresses and networks of proxies: their connections must begin with a header
   * of the PROXY protocol, v1 or v2, and all other connections are refused. The
   * header names the client. With UNKNOWN (v1) and LOCAL (v2) the client is the
   * peer, of which `allow`, `deny` and `maxPerAddress` are not asked. For `tcp` and
   * `tls`.
   */
  proxy?: readonly string[];
  /** ALPN protocols that TLS can agree on, the preferred first. For `tls`. */
  alpn?: readonly string[];
}

/** What a listener takes from the server's options unless it has its own. */
export interface ListenerDefaults {
  readonly mode: Mode;
  readonly maxLineLength: number;
  readonly idleTimeout: number;
  readonly greeting: boolean;
}

/** A listener, checked and complete. Plain data, which can cross threads. */
export interface ListenerSettings extends Location, ListenerDefaults {
  /** Empty: no PROXY protocol. */
  readonly proxy: readonly string[];
  readonly alpn: readonly string[];
  /** Absent if there are none. */
  readonly faults?: FaultSettings;
}

const FIELDS: Table = optionsIn("object");
/** Several addresses in one, separated by commas or blanks. */
const SEVERAL = /^(?:tcp|tls|udp):.*[,\s](?:tcp|tls|udp|unix):/;
const STRAY_PERCENT = /%(?![0-9a-f]{2})/i;
const FAULT_NAMES = Object.entries(FIELDS)
  .filter(([, { group }]) => group === FAULTS)
  .map(([name]) => name as keyof FaultSettings);

/**
 * Reads the URL of a listener, such as `tcp://[::1]:1050?mode=raw`.
 *
 * @param url The URL.
 * @param name What errors call it.
 * @throws {TypeError} If it is none. The message is one line that begins with
 * the name and the URL.
 */
export function parseListen(url: string, name = "listen"): ListenOptions {
  try {
    const [address = "", ...query] = url.split("?");
    if (SEVERAL.test(address)) {
      throw new Error("each listener needs a URL of its own: repeat --listen");
    }
    const { transport, host, port, path } = parseLocation(address);
    return {
      transport,
      ...transport === "unix"
        ? { path }
        : { host: host || OPTIONS.host.default, port },
      ...query.length > 0 && parseParameters(query.join("?"), transport),
    };
  } catch (error) {
    throw new TypeError(escapeControls(`${name} ${url}: ${reasonOf(error)}`));
  }
}

/**
 * Checks a listener and fills in what it leaves out.
 *
 * @param name What errors call it.
 * @param given Its URL or its options.
 * @param defaults What the server's options say.
 * @throws {RangeError} If a number of the options is out of its range.
 * @throws {TypeError} If something else is wrong.
 */
export function resolveListener(
  name: string,
  given: string | ListenOptions,
  defaults: ListenerDefaults,
): ListenerSettings {
  const options = checkFields(
    name,
    typeof given === "string" ? parseListen(given, name) : given,
  );
  return {
    ...location(name, options),
    mode: options.mode ?? defaults.mode,
    maxLineLength: options.maxLineLength ?? defaults.maxLineLength,
    idleTimeout: options.idleTimeout ?? defaults.idleTimeout,
    greeting: options.greeting ?? defaults.greeting,
    proxy: options.proxy ?? [],
    alpn: options.alpn ?? [],
    ...faults(options),
  };
}

/** Faults in words, but for their seed: `latency 0.08 s, corrupt 0.01`. */
export function describeFaults(faults: FaultSettings): string {
  const given = FAULT_NAMES.filter((name) =>
    faults[name] !== undefined && name !== "seed"
  );
  return given.map((name) => {
    const { unit } = FIELDS[name]!.kind;
    return `${dashed(name)} ${faults[name]}${unit ? ` ${unit}` : ""}`;
  }).join(", ");
}

/** What URLs can have after `?`: written with dashes, and the API's name. */
function parameters(): Map<string, string> {
  const names = Object.keys(optionsIn("url"));
  return new Map(names.map((name) => [dashed(name), name]));
}

/** Options that no listener has for itself, as the command line writes them. */
function optionsForAll(): string[] {
  const names = Object.keys(optionsIn("command", optionsIn("api")));
  return names.filter((name) => !(name in FIELDS)).map(dashed);
}

function parseParameters(
  query: string,
  transport: Transport,
): Partial<ListenOptions> {
  const known = parameters();
  const given = new Map<string, unknown>();
  for (const pair of query.split("&")) {
    const [written = "", ...rest] = pair.split("=");
    const name = known.get(written);
    if (!name) throw new Error(unknownParameter(written, known.keys()));
    if (given.has(name)) throw new Error(`${written} is given twice`);
    const option = FIELDS[name]!;
    if (!isOn(option, transport)) {
      throw new Error(`${written} is not for ${transport}`);
    }
    const text = rest.length > 0 ? rest.join("=") : undefined;
    given.set(name, readParameter(written, option.kind, text));
  }
  return Object.fromEntries(given);
}

function readParameter(
  name: string,
  { parameter, range }: Table[string]["kind"],
  text: string | undefined,
): unknown {
  // 10% is a wrong number rather than a wrong code.
  const asItIs = text === undefined || range && STRAY_PERCENT.test(text);
  return readText(name, parameter!, asItIs ? text : decode(name, text));
}

function unknownParameter(written: string, known: Iterable<string>): string {
  const unknown = `unknown parameter ${quote(written)}`;
  if (optionsForAll().includes(written)) {
    return `${unknown}: it is an option, for all listeners`;
  }
  const meant = nearest(written, known);
  return meant ? `${unknown}: did you mean ${meant}?` : unknown;
}

/** The fields that are given, each checked; others are ignored. */
function checkFields(name: string, given: ListenOptions): ListenOptions {
  const fields: Record<string, unknown> = {};
  for (const [field, { kind }] of Object.entries(FIELDS)) {
    const value = given[field as keyof ListenOptions];
    if (value === undefined) continue;
    fields[field] = checkValue(`${name}.${field}`, kind, value);
  }
  const transport = given.transport ?? OPTIONS.transport.default;
  for (const field of Object.keys(fields)) {
    if (isOn(FIELDS[field]!, transport)) continue;
    throw new TypeError(`${name}.${field} is not for ${transport}`);
  }
  return fields;
}

function location(
  name: string,
  {
    transport = OPTIONS.transport.default,
    host = OPTIONS.host.default,
    port = OPTIONS.port.default,
    path,
  }: ListenOptions,
): Location {
  if (transport !== "unix") return { transport, host, port, path: "" };
  const known = checkValue(`${name}.path`, OPTIONS.path.kind, path);
  return { transport, host: "", port: 0, path: known };
}

function faults(options: ListenOptions): { faults?: FaultSettings } {
  const given = FAULT_NAMES.filter((name) => options[name] !== undefined);
  // These two say of faults where and how, and are none themselves.
  const any = given.some((name) => name !== "share" && name !== "seed");
  if (!any) return {};
  return {
    faults: Object.fromEntries(given.map((name) => [name, options[name]])),
  };
}
