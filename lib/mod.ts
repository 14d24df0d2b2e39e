/**
 * An echo server for TCP, TLS, UDP and Unix sockets that can misbehave on
 * purpose, and `probe()`, which checks that every byte comes back unchanged, and
 * measures the latency.
 *
 * @example A server on a port of its own, and one on port 2030 under a
 * supervisor
 * ```ts
 * import { EchoServer, EchoSupervisor } from "@echoserver/echoserver";
 *
 * const server = await EchoServer.start(1050);
 * const tree = await EchoSupervisor.start(EchoServer, 2030);
 * await server.shutdown();
 * await tree.shutdown();
 * ```
 *
 * @module
 */

export type { Connection, Handler } from "./connection/connection.ts";
export { blackhole, type BlackholeOptions } from "./faults/blackhole.ts";
export { corrupt, type CorruptOptions } from "./faults/corrupt.ts";
export type { FaultSettings } from "./faults/faults.ts";
export { latency, type LatencyOptions } from "./faults/latency.ts";
export { limit } from "./faults/limit.ts";
export { rate } from "./faults/rate.ts";
export { slice } from "./faults/slice.ts";
export { slowClose } from "./faults/slow_close.ts";
export { LineStream, type LineStreamOptions } from "./lines/line_stream.ts";
export type { Address } from "./net/address.ts";
export type {
  EchoServerOptions,
  EchoSupervisorOptions,
  ListenOptions,
  Mode,
  Transport,
} from "./options/options.ts";
export type { ProbeOptions, ProbeProgress } from "./probe/options.ts";
export { probe } from "./probe/probe.ts";
export type { ProbeReport, ProbeTimes } from "./probe/report.ts";
export type { ProbeErrors } from "./probe/tally.ts";
export { echo, type EchoOptions } from "./server/echo.ts";
export { EchoServer } from "./server/server.ts";
export type * from "./telemetry/events.ts";
export {
  type LogFormat,
  logger,
  type LoggerOptions,
  type Verbosity,
} from "./telemetry/logger.ts";
export { EchoSupervisor } from "./tree/echo_supervisor.ts";
export {
  type ChildSpec,
  type Restart,
  Supervisor,
  type SupervisorOptions,
} from "./util/supervisor.ts";
