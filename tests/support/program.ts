/**
 * Starts the real program, as a user would: `main.ts`, or the executable that
 * the environment variable `ECHOSERVER` names.
 *
 * @module
 */

const MAIN = import.meta.resolve("../../main.ts");

/**
 * Milliseconds after which something that must happen is taken not to happen.
 */
export const GUARD = 30_000;

async function granted(name: "net" | "read" | "run" | "env"): Promise<boolean> {
  return (await Deno.permissions.query({ name })).state === "granted";
}

/** Whether tests may open sockets in this process: see {@linkcode netTest}. */
export const NET = await granted("net");

/** Whether tests may start the program: see {@linkcode programTest}. */
export const PROGRAM = NET && await granted("run") && await granted("read");

/** The executable to test in place of `main.ts`. */
export const EXECUTABLE = await granted("env")
  ? Deno.env.get("ECHOSERVER")
  : undefined;

/** Defines a test, by its name and by what else it needs. */
interface DefineTest {
  (name: string, run: () => Promise<void>): void;
  (options: { name: string; ignore?: boolean }, run: () => Promise<void>): void;
}

/** `Deno.test` for what opens sockets in this process. */
export const netTest: DefineTest = NET ? Deno.test : Deno.test.ignore;

/** `Deno.test` for what starts the program, and talks to it. */
export const programTest: DefineTest = PROGRAM ? Deno.test : Deno.test.ignore;

if (!NET || !PROGRAM) {
  console.log(
    "Tests that open sockets or start the program are ignored: run `deno task test` for all of them.",
  );
}

/** Whether /proc tells what a process uses. Say `ignore: !PROC`. */
export const PROC = PROGRAM && Deno.build.os === "linux";

/**
 * Whether the executable under test carries a runtime before 2.9, which frees a
 * socket whose write is stuck only when its peer goes. Say `ignore:
 * STUCK_WRITES`.
 */
export const STUCK_WRITES = PROGRAM && await runtimeBefore(2, 9);

if (STUCK_WRITES) {
  console.log(
    "Tests of clients that never read are ignored: the executable's runtime is older than Deno 2.9, which cannot close a socket while a write to it is stuck.",
  );
}

async function runtimeBefore(major: number, minor: number): Promise<boolean> {
  if (!EXECUTABLE) return false;
  const { stdout } = await new Deno.Command(EXECUTABLE, {
    args: ["--version"],
  }).output();
  const version = new TextDecoder().decode(stdout).match(/Deno (\d+)\.(\d+)/);
  return version !== null &&
    (Number(version[1]) - major || Number(version[2]) - minor) < 0;
}

/**
 * Whether the executable under test carries a runtime that cannot serve TLS.
 * Say `ignore: NO_TLS`.
 */
export const NO_TLS = !PROGRAM || await runtimeBefore(2, 9);

if (PROGRAM && NO_TLS) {
  console.log(
    "Tests of TLS are ignored: the executable's runtime is older than Deno 2.9, which cannot serve it.",
  );
}

/**
 * Whether the program can listen on abstract names, which only Linux has. Say
 * `ignore: !ABSTRACT`.
 */
export const ABSTRACT = PROGRAM && Deno.build.os === "linux" &&
  !await runtimeBefore(2, 9);

if (EXECUTABLE && PROGRAM && Deno.build.os === "linux" && !ABSTRACT) {
  console.log(
    "Tests of abstract names are ignored: the executable's runtime is older than Deno 2.9, which needs all permissions for them.",
  );
}

/** Whether this machine has IPv6. Say `ignore: !IPV6`. */
export const IPV6 = NET && hasIPv6();

function hasIPv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    console.log("Tests of IPv6 are ignored: there is none.");
    return false;
  }
}

/** What a process uses. */
export interface Usage {
  /** Bytes of memory that are resident. */
  memory: number;
  /** Open descriptors. */
  descriptors: number;
  /** Seconds of a core that it has had. */
  cpu: number;
}

/** How to start the program. */
export interface ProgramOptions {
  /** Deno's permissions; not for the executable, which brings its own. */
  permissions?: string[];
  /**
   * A command that starts the program, for instance `["prlimit",
   * "--nofile=96"]`.
   */
  under?: string[];
  /** The directory to start it in. */
  cwd?: string;
  /** The only environment variables that it gets. */
  env?: Record<string, string>;
}

/** What has been printed, and how it ended. */
export interface Ended {
  code: number;
  signal: Deno.Signal | null;
  stdout: string;
  stderr: string;
}

/**
 * The program while it runs. Its standard error is read as it comes, so that it
 * never waits for us.
 */
export class Program {
  readonly #child: Deno.ChildProcess;
  readonly #stdout: Promise<string>;
  readonly #stderrReader: ReadableStreamDefaultReader<string>;
  readonly #stderrEnd: Promise<void>;
  #stderr = "";
  #news = Promise.withResolvers<void>();

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#stdout = new Response(child.stdout).text();
    this.#stderrReader = child.stderr.pipeThrough(new TextDecoderStream())
      .getReader();
    this.#stderrEnd = this.#readStderr();
  }

  /** Starts it. */
  static spawn(args: string[], options: ProgramOptions = {}): Program {
    const { permissions = ["--allow-net"], under = [], cwd, env } = options;
    const program = EXECUTABLE
      ? [EXECUTABLE]
      : [Deno.execPath(), "run", "--no-prompt", ...permissions, MAIN];
    const [command, ...rest] = [...under, ...program, ...args];
    return Program.other(command!, rest, {
      ...cwd && { cwd },
      ...env && { env, clearEnv: true },
    });
  }

  /** Starts any other program, to be watched and ended in the same way. */
  static other(
    command: string,
    args: string[],
    options: Pick<Deno.CommandOptions, "cwd" | "env" | "clearEnv"> = {},
  ): Program {
    const child = new Deno.Command(command, {
      ...options,
      args,
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
    try {
      const [, port] = await program.saw(
        /(?<!admin )listening on \S+:(\d+)["\n]/,
      );
      return Object.assign(program, { port: Number(port) });
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Starts it with these listeners and waits until each has said that it
   * listens.
   *
   * @returns Also where they listen, in the order in which they said so: as in
   * its log, but with the scheme of all.
   */
  static async listeningAt(
    urls: string[],
    args: string[] = [],
    options: ProgramOptions = {},
  ): Promise<Program & { addresses: string[] }> {
    const program = Program.spawn(
      [...urls.flatMap((url) => ["--listen", url]), ...args],
      options,
    );
    try {
      const said = await program.sawTimes(
        urls.length,
        / info listening on (\S+)\n/,
      );
      const addresses = said.map(([, address]) =>
        /^(\w+:\/\/|unix:)/.test(address!) ? address! : `tcp://${address}`
      );
      return Object.assign(program, { addresses });
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
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
    return (await this.sawTimes(1, pattern))[0]!;
  }

  /**
   * Waits until standard error matches at least so many times, and gives all
   * matches.
   */
  sawTimes(count: number, pattern: RegExp): Promise<RegExpMatchArray[]> {
    const all = new RegExp(pattern, pattern.flags + "g");
    const matches = () => [...this.#stderr.matchAll(all)];
    const seen = async () => {
      for (;;) {
        const found = matches();
        if (found.length >= count) return found;
        await this.#news.promise;
        if (this.#news === ENDED && matches().length < count) {
          throw new Error(
            `ended, and stderr does not match ${pattern}: ${this.#stderr}`,
          );
        }
      }
    };
    return inTime(
      () => `stderr to match ${pattern}, ${count} times: ${this.#stderr}`,
      seen(),
    );
  }

  /** Closes our end of its standard error: what it writes from now on fails. */
  async closeStderr(): Promise<void> {
    await this.#stderrReader.cancel();
    await this.#stderrEnd;
  }

  /**
   * What it uses, as /proc tells: by way of a shell, as Deno itself reads /proc
   * only with all permissions.
   */
  async usage(): Promise<Usage> {
    const { stdout } = await new Deno.Command("sh", {
      args: [
        "-c",
        "getconf PAGESIZE; getconf CLK_TCK; cat /proc/$0/statm /proc/$0/stat; ls /proc/$0/fd | wc -l",
        `${this.pid}`,
      ],
    }).output();
    const [page, ticks, statm, stat, descriptors] = new TextDecoder()
      .decode(stdout).split("\n");
    const fields = stat!.slice(stat!.lastIndexOf(")") + 2).split(" ");
    return {
      memory: Number(statm!.split(" ")[1]) * Number(page),
      descriptors: Number(descriptors),
      cpu: (Number(fields[11]) + Number(fields[12])) / Number(ticks),
    };
  }

  /** Waits until it has no more descriptors open than so many. */
  fallsTo(descriptors: number): Promise<Usage> {
    return until(async () => {
      const usage = await this.usage();
      if (usage.descriptors <= descriptors) return usage;
      throw new Error(
        `${usage.descriptors} descriptors are open, not ${descriptors}`,
      );
    });
  }

  /** Sends a signal, unless it has ended. */
  kill(signal: Deno.Signal = "SIGTERM"): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended.
    }
  }

  /** Waits until it has ended. */
  async ended(): Promise<Ended> {
    const { code, signal } = await inTime(
      () => `the program to end: ${this.#stderr}`,
      this.#child.status,
    );
    await this.#stderrEnd;
    return { code, signal, stdout: await this.#stdout, stderr: this.#stderr };
  }

  /** Ends it, if it runs, without grace. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    await this.#child.status;
    await this.#stderrEnd;
    await this.#stdout;
  }

  async #readStderr(): Promise<void> {
    for (;;) {
      const { value, done } = await this.#stderrReader.read();
      if (done) break;
      this.#stderr += value;
      this.#news.resolve();
      this.#news = Promise.withResolvers();
    }
    this.#news.resolve();
    this.#news = ENDED;
  }
}

const ENDED: PromiseWithResolvers<void> = Promise.withResolvers();
ENDED.resolve();

/** Settles as `promise` does, but rejects after {@linkcode GUARD}. */
export async function inTime<T>(
  what: string | (() => string),
  promise: Promise<T>,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    const missed = typeof what === "string" ? what : what();
    late.reject(new Error(`waited too long for ${missed}`));
  }, GUARD);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Tries until it succeeds, or it is time to say why it does not. */
export async function until<T>(attempt: () => Promise<T>): Promise<T> {
  const late = performance.now() + GUARD;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > late) throw error;
    }
  }
}

/** Whether a command can be run, and succeeds. */
export async function succeeds(
  command: string,
  ...args: string[]
): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(command, {
      args,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
}

/** Runs the program to its end. */
export async function run(
  args: string[],
  options: ProgramOptions = {},
): Promise<Ended> {
  await using program = Program.spawn(args, options);
  return await program.ended();
}
