/**
 * The echo of a listener that misbehaves on purpose. Loaded only for those.
 *
 * @module
 */

import type { Connection } from "../connection/connection.ts";
import { blackhole } from "../faults/blackhole.ts";
import {
  blackholeSeconds,
  type FaultSettings,
  faultStages,
  seeded,
} from "../faults/faults.ts";
import { LineStream } from "../lines/line_stream.ts";
import type { ListenerSettings } from "../options/options.ts";
import type { NumberedHandler } from "./echo.ts";

/**
 * Makes the handler of a listener with faults: they stand between the lines and
 * the writable end.
 */
export function faultyEcho(
  { mode, maxLineLength }: ListenerSettings,
  settings: FaultSettings,
  draining: AbortSignal,
): NumberedHandler {
  const faults = seeded(settings);
  const bytes = (connection: Connection) =>
    mode === "raw"
      ? connection.readable
      : connection.readable.pipeThrough(new LineStream({ maxLineLength }));
  return (connection, { number, seconds: elapsed }) => {
    const seconds = blackholeSeconds(faults, number);
    if (seconds !== undefined) {
      const signal = AbortSignal.any([connection.signal, draining]);
      return blackhole(connection.readable, seconds, { elapsed, signal });
    }
    const { writable, signal } = connection;
    const stages = faultStages(faults, number, mode);
    if (stages.length === 0) return bytes(connection).pipeTo(writable);
    // The signal ends what waits in a stage.
    return stages.reduce(
      (readable, stage) => readable.pipeThrough(stage),
      bytes(connection),
    ).pipeTo(writable, { signal });
  };
}
