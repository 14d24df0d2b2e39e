/**
 * The command that serves.
 *
 * @module
 */

import type { EchoSupervisorOptions } from "../options/options.ts";
import { resolve } from "../options/options.ts";
import { EchoServer } from "../server/server.ts";
import { queuedLogger } from "../telemetry/log_queue.ts";
import { EchoSupervisor } from "../tree/echo_supervisor.ts";
import { reasonOf } from "../util/text.ts";
import type { ServeCommand } from "./command.ts";
import { giveUpFiles } from "./permissions.ts";
import type { Signals } from "./signals.ts";

/** Milliseconds that the log gets, at the end, to be written. */
const LAST_WORDS = 1000;

/**
 * Serves until a shutdown is asked for.
 *
 * @returns The exit code: 0 done, 1 it could not start or go on.
 */
export async function serve(
  { options, log }: ServeCommand,
  { shutdown, requests }: Signals,
): Promise<number> {
  const { onEvent, flush } = queuedLogger(
    log,
    (bytes) => Deno.stderr.write(bytes),
  );
  try {
    const settings = resolve({ ...await withPem(options), onEvent });
    const tree = await EchoSupervisor.startWith(EchoServer, settings, shutdown);
    requests.addEventListener("state", () => tree.tellState());
    requests.addEventListener("hangup", () => onEvent({ type: "hangup" }));
    await giveUpFiles();
    shutdown.addEventListener("abort", () => tree.shutdown());
    if (shutdown.aborted) tree.shutdown();
    await tree.finished;
    return 0;
  } catch (error) {
    if (shutdown.aborted && error === shutdown.reason) return 0;
    onEvent({ type: "failure", reason: reasonOf(error) });
    return 1;
  } finally {
    await flush(LAST_WORDS);
  }
}

/** Reads certificate and key from the files that were named. */
async function withPem(
  { tlsCertFile, tlsKeyFile, ...options }: ServeCommand["options"],
): Promise<EchoSupervisorOptions> {
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return options;
  const { readPem } = await import("./pem.ts");
  return {
    ...options,
    tlsCert: await readPem("certificate", tlsCertFile),
    tlsKey: await readPem("key", tlsKeyFile),
  };
}
