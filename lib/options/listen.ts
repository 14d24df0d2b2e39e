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
 * A listener of the option `listen`: the same as its URL says. Times are in
 * seconds. What is absent is as the option of that name says.
 */
export interface ListenOptions extends FaultSettings {
  /**
   * `tcp`, `tls`, `udp`, or `unix`.
   *
   * @default {"tcp"}
   */
  transport?: Transport;
  /**
   * Address, or name of an address of this machine; `::` takes IPv4 and IPv6.
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
   * of Linux. For `unix` only, which needs it.
   */
  path?: string;
  /** `line` or `raw`. Not for `udp`, as are the next three. */
  mode?: Mode;
  /** Most bytes held of a line whose end has not come, 1 to 16777216. */
  maxLineLength?: number;
  /**
   * Seconds without a byte either way after which a connection is closed, 0 to
   * 86400, fractions too; 0 is never.
   */
  idleTimeout?: number;
  /** Whether each connection begins with a line of JSON: who answers. */
  greeting?: boolean;
  /**
   * Addresses and networks whose connections must begin with a header of the
   * PROXY protocol; all others are refused. For `tcp` and `tls`.
   */
  proxy?: string[];
  /** Protocols that TLS can agree on, the best first. For `tls`. */
  alpn?: string[];
}

/** A listener, checked and complete. Plain data, which can cross threads. */
export interface ListenerSettings extends Location {
  readonly mode: Mode;
  readonly maxLineLength: number;
  readonly idleTimeout: number;
  readonly greeting: boolean;
  /** Empty: no PROXY protocol. */
  readonly proxy: string[];
  readonly alpn: string[];
  /** Absent if there are none. */
  readonly faults?: FaultSettings;
}

/** What listeners have in common, unless one has its own. */
export type ListenerDefaults = Pick<
  ListenerSettings,
  "mode" | "maxLineLength" | "idleTimeout" | "greeting"
>;

const FIELDS: Table = optionsIn("object");
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

/** What URLs can have after `?`: written with dashes, and the API's name. */
function parameters(): Map<string, string> {
  const names = Object.keys(optionsIn("url"));
  return new Map(names.map((name) => [dashed(name), name]));
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
    const text = rest.length > 0 ? decode(written, rest.join("=")) : undefined;
    given.set(name, readText(written, option.kind.parameter!, text));
  }
  return Object.fromEntries(given);
}

function unknownParameter(written: string, known: Iterable<string>): string {
  const meant = nearest(written, known);
  const hint = meant ? `: did you mean ${meant}?` : "";
  return `unknown parameter ${quote(written)}${hint}`;
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
