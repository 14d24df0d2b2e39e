/**
 * What a document has for a shell: its commands, how to run them as a reader
 * would, and what it says they print.
 *
 * The words behind `sh` say what a block is: `server` runs until the next
 * heading, `exit=1` must fail, `needs=x` is skipped where the program x, or the
 * environment variable x, is missing. A `text` block beside them shows lines
 * that they print.
 *
 * @module
 */

import assert from "node:assert/strict";
import { freePort } from "./ports.ts";
import { EXECUTABLE, Program, succeeds, until } from "./program.ts";
import { temporaryDirectory } from "./temporary.ts";

const ROOT = new URL("../..", import.meta.url);

/** A block of commands. */
export interface Block {
  /** The commands. */
  readonly script: string;
  /** The exit code that it must have. */
  readonly exit: number;
  /** Whether it runs on while the commands after it do. */
  readonly server: boolean;
  /** What it needs besides a shell. */
  readonly needs: string | undefined;
}

/** A part of a document, from one heading to the next. */
export interface Section {
  readonly title: string;
  readonly blocks: readonly Block[];
  /** Lines that they print. */
  readonly shown: readonly string[];
}

/** The sections of a document that have commands. */
export function sectionsOf(markdown: string): Section[] {
  return markdown.split(/^(?=#+ )/m).map((part) => ({
    title: part.match(/^#+ (.*)/)?.[1] ?? "",
    blocks: [...part.matchAll(/^```sh(.*)\n([^]*?)^```/gm)].map(
      ([, words, script]) => ({
        script: script!,
        exit: Number(words!.match(/exit=(\d+)/)?.[1] ?? 0),
        server: /\bserver\b/.test(words!),
        needs: words!.match(/needs=(\S+)/)?.[1],
      }),
    ),
    shown: [...part.matchAll(/^```text\n([^]*?)\n```/gm)]
      .flatMap(([, lines]) => lines!.split("\n")),
  })).filter(({ blocks }) => blocks.length > 0);
}

/**
 * Runs the blocks of a section, in order, on ports of its own. Unless one of
 * them has to be left out, they must print what the section shows.
 */
export async function runSection(
  { title, blocks, shown }: Section,
): Promise<void> {
  await using end = new AsyncDisposableStack();
  const { path: directory } = end.use(await temporaryDirectory());
  await installEchoserver(directory);
  const portOf = otherPorts();
  const env: Record<string, string> = {};
  const servers: Program[] = [];
  const printed: string[] = [];
  let complete = true;
  for (const block of blocks) {
    if (block.needs && !env[block.needs] && !await has(block.needs)) {
      console.log(`${title}: skipped, for it needs ${block.needs}`);
      complete = false;
      continue;
    }
    const script = block.script
      .replace(/\b(?:10[5-9]\d|9090)\b/g, portOf)
      // As long as it takes to see that it works.
      .replace(/(?<=--duration )\d+/g, "0.5");
    const command = block.server ? server(script, portOf) : script;
    const program = shell(command, directory, env);
    if (block.server) {
      servers.push(end.use(program));
      await ready(program, script);
      const [, fingerprint] = program.stderr.match(/SHA-256 (\w+)/) ?? [];
      if (fingerprint) env.FINGERPRINT = fingerprint;
    } else {
      await using _ = program;
      const { code, stdout, stderr } = await program.ended();
      assert.equal(code, block.exit, `${script}\n${stdout}\n${stderr}`);
      printed.push(stdout, stderr);
    }
  }
  if (!complete) return;
  for (const server of servers) {
    server.kill();
    const { stdout, stderr } = await server.ended();
    printed.push(stdout, stderr);
  }
  const all = printed.join("\n");
  const lines = comparable(all).split("\n");
  for (const line of shown) {
    assert.ok(lines.includes(comparable(line)), `${line}\n\n${all}`);
  }
}

/** What is printed, without what is another each time. */
function comparable(text: string): string {
  return text
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replaceAll(/\b[\da-f]{64}\b/g, "FINGERPRINT")
    .replaceAll(/(?<=\d):\d+\b/g, ":PORT")
    .replaceAll(/\d+\.\d+ s\b/g, "SECONDS");
}

/** Puts the program into a directory, under the name that documents use. */
async function installEchoserver(directory: string): Promise<void> {
  const command = EXECUTABLE
    ? `"${await Deno.realPath(EXECUTABLE)}"`
    : `deno run --no-prompt --allow-net --allow-read --allow-write "${
      new URL("main.ts", ROOT).pathname
    }"`;
  const script = `#!/bin/sh\nexec ${command} "$@"\n`;
  await Deno.writeTextFile(`${directory}/echoserver`, script, { mode: 0o755 });
}

/** Runs what stands in a clone there, and everything else in the directory. */
function shell(
  script: string,
  directory: string,
  env: Record<string, string>,
): Program {
  const inClone = /\bmain\.ts\b/.test(script);
  const deno = Deno.execPath().replace(/\/[^/]*$/, "");
  const path = `${directory}/bin:${directory}:${deno}:$PATH:/usr/sbin`;
  const setUp = `export PATH="${path}"\n` +
    (inClone ? "" : `cd "${directory}"\n`);
  return Program.other("bash", ["-ec", setUp + script], {
    cwd: ROOT,
    env: { NO_COLOR: "1", DENO_INSTALL_ROOT: directory, ...env },
  });
}

/**
 * One command, which takes the place of the shell and so gets our signals. If it
 * names no port, it is for the default one.
 */
function server(script: string, portOf: (port: string) => string): string {
  const port = /:\d/.test(script) ? "" : ` --port ${portOf("1050")}`;
  return `exec ${script.trimEnd()}${port}\n`;
}

/** Waits until a server listens. */
async function ready(program: Program, script: string): Promise<void> {
  const [, port] = script.match(/bind 127\.0\.0\.1:(\d+)/) ?? [];
  if (!port) {
    await program.saw(/info listening on|"event":"listening"/);
    return;
  }
  await accepting(Number(port));
}

/** Waits until a port of 127.0.0.1 takes connections. */
export async function accepting(port: number): Promise<void> {
  (await until(() => Deno.connect({ hostname: "127.0.0.1", port }))).close();
}

/** Gives each port of a document a free one in its place. */
function otherPorts(): (port: string) => string {
  const ports = new Map<string, string>();
  return (port) => {
    const other = ports.get(port) ?? `${freePort()}`;
    ports.set(port, other);
    return other;
  };
}

/** Whether a program can be started by its name. */
export function has(command: string): Promise<boolean> {
  return succeeds(
    "sh",
    "-c",
    // Only OpenBSD's nc has the option that the documents use.
    `PATH="$PATH:/usr/sbin"; command -v "$0" && { [ "$0" != nc ] || nc -h 2>&1 | grep -q OpenBSD; }`,
    command,
  );
}
