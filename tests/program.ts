/**
 * Starts the real program, as a user would: `main.ts`, or the executable that the environment variable
 * `ECHOSERVER` names.
 *
 * @module
 */

const MAIN = new URL("../main.ts", import.meta.url).pathname;

/** Milliseconds after which something that must happen is taken not to happen. */
export const GUARD = 30_000;

async function granted(name: "net" | "read" | "run" | "env"): Promise<boolean> {
  return (await Deno.permissions.query({ name })).state === "granted";
}

/** Whether tests may open sockets in this process. Say `ignore: !NET`. */
export const NET = await granted("net");

/** Whether tests may start the program and talk to it. Say `ignore: !PROGRAM`. */
export const PROGRAM = NET && await granted("run") && await granted("read");

/** The executable to test in place of `main.ts`. */
export const EXECUTABLE = await granted("env")
  ? Deno.env.get("ECHOSERVER")
  : undefined;

if (!NET || !PROGRAM) {
  console.log(
    "Tests that open sockets or start the program are ignored: run `deno task test` for all of them.",
  );
}

/** How to start the program. */
export interface ProgramOptions {
  /** Deno's permissions; not for the executable, which brings its own. */
  permissions?: string[];
  /** A command that starts the program, for instance `["prlimit", "--nofile=96"]`. */
  under?: string[];
}

/** What has been printed, and how it ended. */
export interface Ended {
  code: number;
  signal: Deno.Signal | null;
  stdout: string;
  stderr: string;
}

/** The program while it runs. Its standard error is read as it comes, so that it never waits for us. */
export class Program {
  readonly #child: Deno.ChildProcess;
  readonly #stdout: Promise<string>;
  readonly #stderrEnd: Promise<void>;
  #stderr = "";
  #news = Promise.withResolvers<void>();

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#stdout = new Response(child.stdout).text();
    this.#stderrEnd = this.#readStderr();
  }

  /** Starts it. */
  static spawn(args: string[], options: ProgramOptions = {}): Program {
    const { permissions = ["--allow-net"], under = [] } = options;
    const program = EXECUTABLE
      ? [EXECUTABLE]
      : [Deno.execPath(), "run", "--no-prompt", ...permissions, MAIN];
    const [command, ...rest] = [...under, ...program, ...args];
    const child = new Deno.Command(command!, {
      args: rest,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new Program(child);
  }

  /** Starts it on a free port of 127.0.0.1 and waits until it listens. */
  static async listening(
    args: string[] = [],
    options: ProgramOptions = {},
  ): Promise<Program & { port: number }> {
    const host = args.includes("--host") ? [] : ["--host", "127.0.0.1"];
    const program = Program.spawn([...host, "--port", "0", ...args], options);
    const [, port] = await program.saw(/listening on \S+:(\d+)/);
    return Object.assign(program, { port: Number(port) });
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** What it has written to standard error so far. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Waits until standard error matches. */
  async saw(pattern: RegExp): Promise<RegExpMatchArray> {
    const late = guard(`stderr to match ${pattern}`);
    try {
      for (;;) {
        const match = this.#stderr.match(pattern);
        if (match) return match;
        await Promise.race([this.#news.promise, late.promise]);
        if (this.#news === ENDED && !this.#stderr.match(pattern)) {
          throw new Error(
            `ended, and stderr does not match ${pattern}: ${this.#stderr}`,
          );
        }
      }
    } finally {
      late.clear();
    }
  }

  /** Sends a signal. */
  kill(signal: Deno.Signal = "SIGTERM"): void {
    this.#child.kill(signal);
  }

  /** Waits until it has ended. */
  async ended(): Promise<Ended> {
    const late = guard("the program to end");
    try {
      const status = await Promise.race([this.#child.status, late.promise]);
      await this.#stderrEnd;
      const { code, signal } = status;
      return { code, signal, stdout: await this.#stdout, stderr: this.#stderr };
    } finally {
      late.clear();
    }
  }

  /** Ends it, if it runs, without grace. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#stderrEnd;
    await this.#stdout;
  }

  async #readStderr(): Promise<void> {
    for await (
      const text of this.#child.stderr.pipeThrough(new TextDecoderStream())
    ) {
      this.#stderr += text;
      this.#news.resolve();
      this.#news = Promise.withResolvers();
    }
    this.#news.resolve();
    this.#news = ENDED;
  }
}

const ENDED: PromiseWithResolvers<void> = Promise.withResolvers();
ENDED.resolve();

/** Rejects if what is waited for takes longer than {@linkcode GUARD}. */
export function guard(
  what: string,
): { promise: Promise<never>; clear: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`waited too long for ${what}`)),
    GUARD,
  );
  return { promise, clear: () => clearTimeout(timer) };
}

/** Runs the program to its end. */
export async function run(
  args: string[],
  options: ProgramOptions = {},
): Promise<Ended> {
  await using program = Program.spawn(args, options);
  return await program.ended();
}
