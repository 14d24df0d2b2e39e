/**
 * Where a listener is, or a server to be probed: the part of its URL that comes
 * before the parameters.
 *
 * It is read by hand. `URL` would decode, complete and rewrite it: a host
 * without a port, a path with `..` in it, an abstract name.
 *
 * @module
 */

import type { Transport } from "../net/transport.ts";
import { quote } from "../util/check.ts";
import { nearest } from "../util/nearest.ts";
import { hostOf, readText, type TextForm } from "./kinds.ts";
import { OPTIONS, TRANSPORTS } from "./schema.ts";

/** What an address says. */
export interface Location {
  readonly transport: Transport;
  /** Empty if the address has none, and for Unix. */
  readonly host: string;
  /** 0 for Unix. */
  readonly port: number;
  /** Empty but for Unix; an abstract name begins with `@`. */
  readonly path: string;
}

const FORMS = "tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT or unix:PATH";

/**
 * Reads an address with its transport, such as `tcp://[::1]:1050`.
 *
 * @param address The address.
 * @param port How its port is read.
 * @throws {Error} If it is none. The message is one line that says why.
 */
export function parseLocation(
  address: string,
  port: TextForm<number> = OPTIONS.port.kind.parameter!,
): Location {
  const [, scheme = "", rest = ""] = /^([^:/]*):([^]*)$/.exec(address) ?? [];
  const transport = TRANSPORTS.find((transport) => transport === scheme);
  if (!transport) throw new Error(schemeProblem(address, scheme));
  if (transport === "unix") return unixLocation(rest);
  const authority = /^\/\/([^]*)$/.exec(rest)?.[1];
  if (authority === undefined) {
    throw new Error(`write ${transport}://HOST:PORT`);
  }
  return { transport, path: "", ...parseAuthority(authority, port) };
}

/**
 * Decodes `%3F` and its like.
 *
 * @throws {Error} If it stands for nothing. The message begins with the name.
 */
export function decode(name: string, text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error(
      `${name} has a % that two hex digits of UTF-8 must follow (% itself is %25)`,
    );
  }
}

function schemeProblem(address: string, scheme: string): string {
  const completed = /^\d+$/.test(address) ? `:${address}` : address;
  if (/^(\[[^\[\]]*\]|[^:/]*):\d+(\?|$)/.test(completed)) {
    return `did you mean tcp://${completed}?`;
  }
  const meant = nearest(scheme, TRANSPORTS);
  return meant
    ? `unknown transport ${quote(scheme)}: did you mean ${meant}?`
    : `write ${FORMS}`;
}

function unixLocation(rest: string): Location {
  if (/^\/\/(?!\/)/.test(rest)) {
    throw new Error("unix:// takes no host: write unix:PATH");
  }
  const text = decode("path", rest.replace(/^\/\/\//, "/"));
  const { read, takes } = OPTIONS.path.kind.parameter!;
  const path = read(text);
  // The path may be long, and whoever says this has shown it.
  if (path === undefined) throw new Error(`unix: takes ${takes}`);
  return { transport: "unix", host: "", port: 0, path };
}

function parseAuthority(
  authority: string,
  form: TextForm<number>,
): { host: string; port: number } {
  if (authority.includes("@")) {
    throw new Error("an address has no user or password");
  }
  const parts = /^(\[[^\[\]]*\]|[^:\[\]]*)(?::([^:]*))?$/.exec(authority);
  if (!parts) {
    throw new Error("an IPv6 address goes in brackets, as in [::1]:1050");
  }
  const [, host = "", port = ""] = parts;
  if (port === "") throw new Error("the port is missing: write HOST:PORT");
  return {
    host: parseHost(host),
    port: readText("port", form, port),
  };
}

function parseHost(text: string): string {
  const host = text === "" ? text : hostOf(text);
  if (host === undefined) {
    throw new Error(`host takes an address or a name, not ${quote(text)}`);
  }
  return host.replace("%25", "%");
}
