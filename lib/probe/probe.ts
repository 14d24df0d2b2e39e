/**
 * Proves an echo path and measures it.
 *
 * @module
 */

import { parseTarget, type ProbeOptions, resolveProbe } from "./options.ts";
import type { ProbeReport } from "./report.ts";
import { runProbe } from "./runner.ts";
import { judged } from "./verdict.ts";

/**
 * Sends lines to any echo server, compares every byte that comes back, and
 * measures how long it takes. Each line differs from every other.
 *
 * It does not throw if the server loses, changes or refuses something: the report
 * says so.
 *
 * @example Is every line right, and the 99th percentile below 10 ms?
 * ```ts
 * import { EchoServer, probe } from "@echoserver/echoserver";
 * import assert from "node:assert/strict";
 *
 * await using server = await EchoServer.start({ port: 0, host: "127.0.0.1" });
 * const report = await probe(`127.0.0.1:${server.addr.port}`, { count: 1000 });
 * assert(report.ok);
 * console.log(report.lines_per_second, report.latency_ms.p99);
 * ```
 *
 * @param address What to probe: `host:port`, or a URL of `tcp:`, `tls:`, `udp:`
 * or `unix:`; IPv6 in brackets.
 * @param options How, how fast and how long; times are in seconds.
 * @returns What was found, once it has ended; early if `signal` aborts.
 * @throws {TypeError} If the address or an option is of the wrong kind, or an
 * option is not for the transport.
 * @throws {RangeError} If a numeric option is not a number in its range.
 * @throws {Error} If there can be no connection: the name does not resolve, the
 * certificate is not trusted, a permission is missing.
 */
export async function probe(
  address: string,
  options: ProbeOptions = {},
): Promise<ProbeReport> {
  const target = parseTarget(address);
  const settings = resolveProbe(options, target);
  const { report } = await runProbe(target, settings);
  return judged(report);
}
