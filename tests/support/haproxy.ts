/**
 * A real HAProxy, as Debian installs it.
 *
 * @module
 */

import { PROGRAM, Program, succeeds } from "./program.ts";
import { temporaryDirectory } from "./temporary.ts";

/** Its command; undefined where it is missing or may not be used. */
export const HAPROXY: string | undefined = await find();

async function find(): Promise<string | undefined> {
  if (!PROGRAM) return undefined;
  // Debian keeps it where only root's PATH leads.
  for (const command of ["haproxy", "/usr/sbin/haproxy"]) {
    if (await succeeds(command, "-v")) return command;
  }
}

/** HAProxy, with the file of its configuration. */
export class Haproxy implements AsyncDisposable {
  /** Its process, and with it what it logs. */
  readonly log: Program;

  readonly #end: AsyncDisposableStack;

  private constructor(log: Program, end: AsyncDisposableStack) {
    this.log = log;
    this.#end = end;
  }

  /** Starts it. */
  static async start(config: string): Promise<Haproxy> {
    await using end = new AsyncDisposableStack();
    const { path } = end.use(await temporaryDirectory());
    const file = `${path}/haproxy.cfg`;
    await Deno.writeTextFile(file, config);
    const log = end.use(Program.other(HAPROXY!, ["-db", "-f", file]));
    return new Haproxy(log, end.move());
  }

  /** Waits until health checks of these servers have succeeded. */
  async checked(...servers: string[]): Promise<void> {
    for (const server of servers) {
      await this.log.saw(RegExp(`check for server ${server} succeeded`));
    }
  }

  /** Ends it, and removes what it was configured with. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end.disposeAsync();
  }
}
