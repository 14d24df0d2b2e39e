/**
 * What the connections of one listener have in common.
 *
 * @module
 */

import type { Access } from "../connection/access.ts";
import { SLOWEST_READER } from "../connection/linger.ts";
import type { Pulse, SocketContext } from "../connection/socket.ts";
import type { DatagramFaults } from "../faults/faults.ts";
import type { ListenerSettings, Settings } from "../options/options.ts";
import type { Counters } from "../telemetry/counters.ts";
import type { Admit } from "./admit.ts";
import { echoOf, type NumberedHandler } from "./echo.ts";

/** One listener as its connections see it. It outlives the listener. */
export interface Service {
  /** Its place among the listeners. */
  readonly index: number;
  /** The listener's name, with its scheme. */
  readonly name: string;
  /** Who answers, as a greeting says. */
  readonly server: string;
  readonly settings: ListenerSettings;
  /** What its sockets share. */
  readonly context: SocketContext;
  readonly counters: Counters;
  readonly handler: NumberedHandler;
  /** Milliseconds of silence that a client gets at most to answer our FIN. */
  readonly slowestLinger: number;
  /** What precedes the handler, if anything does. */
  readonly admit: Admit | undefined;
  /** Who is served; without it everybody. */
  readonly access: Access | undefined;
  /** What datagrams meet, if there are any. */
  readonly datagramFaults: DatagramFaults | undefined;
  /** Idle sweeps after which a connection is idle; 0: never. */
  readonly idleSweeps: number;
  /** Connections accepted so far. */
  connections: number;
}

/** What a service is made of, beside its server's settings. */
export interface ServiceParts {
  index: number;
  name: string;
  settings: ListenerSettings;
  pulse: Pulse;
  counters: Counters;
  /** Who may connect; one for all listeners. */
  access: Access | undefined;
  /** Seconds between two idle sweeps. */
  sweepSeconds: number;
  /** Aborts when a drain begins. */
  draining: AbortSignal;
}

/** Makes the service of a listener. */
export async function makeService(
  server: Settings,
  parts: ServiceParts,
): Promise<Service> {
  const { index, name, settings, counters, access, sweepSeconds, pulse } =
    parts;
  const { idleTimeout, mode } = settings;
  return {
    index,
    name,
    server: server.name,
    settings,
    counters,
    access,
    admit: await admissionOf(settings, access),
    datagramFaults: await datagramFaultsOf(settings),
    context: {
      pulse,
      finishesLines: mode === "line",
      isDirect: settings.transport !== "tls",
      readPerSweep: sweepSeconds * SLOWEST_READER,
    },
    handler: await handlerOf(server, settings, parts.draining),
    slowestLinger: server.shutdownTimeout * 1000,
    // A byte may have moved at any time before the sweep that counts as its
    // first.
    idleSweeps: idleTimeout > 0 ? Math.ceil(idleTimeout / sweepSeconds) + 1 : 0,
    connections: 0,
  };
}

async function admissionOf(
  settings: ListenerSettings,
  access: Access | undefined,
): Promise<Admit | undefined> {
  const { transport, proxy } = settings;
  if (!access && proxy.length === 0 && transport !== "tls") return undefined;
  const { admitOf } = await import("./admit.ts");
  return admitOf(settings, access);
}

async function handlerOf(
  { handler }: Settings,
  settings: ListenerSettings,
  draining: AbortSignal,
): Promise<NumberedHandler> {
  if (handler) return (connection) => handler(connection);
  if (!settings.faults) return echoOf(settings);
  const { faultyEcho } = await import("./faulty_echo.ts");
  return faultyEcho(settings, settings.faults, draining);
}

async function datagramFaultsOf(
  { transport, faults }: ListenerSettings,
): Promise<DatagramFaults | undefined> {
  if (transport !== "udp" || !faults) return undefined;
  const { datagramFaults, seeded } = await import("../faults/faults.ts");
  return datagramFaults(seeded(faults));
}
