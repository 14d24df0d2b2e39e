/**
 * The command that serves.
 *
 * @module
 */

import { EchoServer } from "../server/server.ts";
import { stderrLog } from "../telemetry/log_queue.ts";
import { logger } from "../telemetry/logger.ts";
import { EchoSupervisor } from "../tree/echo_supervisor.ts";
import { reasonOf } from "../util/text.ts";
import type { Command } from "./command.ts";
import type { Signals } from "./run.ts";

/** Milliseconds that the log gets, at the end, to be written. */
const LAST_WORDS = 1000;

/**
 * Serves until a shutdown is asked for.
 *
 * @returns The exit code: 0 done, 1 it could not start or go on.
 */
export async function serve(
  command: Command & { name: "serve" },
  { shutdown, requests }: Signals,
): Promise<number> {
  const log = stderrLog();
  const onEvent = logger({ ...command.log, write: log.write });
  try {
    const options = { ...await withCertificate(command), onEvent };
    const tree = await EchoSupervisor.start(EchoServer, options, shutdown);
    await dropPermissions();
    requests.addEventListener("state", () => tree.logState());
    requests.addEventListener("hangup", () => onEvent({ type: "hangup" }));
    await tree.finished;
    return 0;
  } catch (error) {
    onEvent({ type: "failure", reason: reasonOf(error) });
    return 1;
  } finally {
    await log.flush(LAST_WORDS);
  }
}
