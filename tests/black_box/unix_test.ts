/**
 * Unix sockets: files and abstract names.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Client } from "../support/client.ts";
import {
  ABSTRACT,
  EXECUTABLE,
  PROGRAM,
  Program,
  run,
} from "../support/program.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { abstractName, WITH_FILES } from "../support/transports.ts";

const ignore = !PROGRAM || Deno.build.os === "windows";
const LINUX = Deno.build.os === "linux";

/** The most bytes that the system takes for a path. */
const MAX_PATH = 107;

/** Calls `fn` with a directory that goes afterwards. */
function inDirectory(
  fn: (directory: string) => Promise<void>,
): () => Promise<void> {
  return async () => {
    await using directory = await temporaryDirectory();
    await fn(directory.path);
  };
}

function listeningAt(url: string, ...args: string[]) {
  return Program.listeningAt([url], args, { permissions: WITH_FILES });
}

/** Checks that a listener cannot be had, and that one line says why. */
async function assertRefused(
  url: string,
  why: RegExp,
  permissions = WITH_FILES,
): Promise<void> {
  const args = ["--listen", url];
  const { code, stderr } = await run(args, { permissions });
  assert.equal(code, 1);
  assert.match(stderr, why);
  assert.match(stderr, /^[^\n]+\n$/);
}

async function assertEchoes(address: string): Promise<void> {
  using client = await Client.to(address);
  assert.equal(await client.echo("hello\n"), "hello\n");
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

Deno.test({
  name: "a Unix socket is gone after the shutdown",
  ignore,
  fn: inDirectory(async (directory) => {
    const path = `${directory}/socket`;
    for (const args of LINUX ? [[], ["--workers", "2"]] : [[]]) {
      await using program = await listeningAt(`unix:${path}`, ...args);
      await assertEchoes(`unix:${path}`);
      program.kill();
      assert.equal((await program.ended()).code, 0);
      assert.equal(await exists(path), false);
    }
  }),
});

Deno.test({
  name: "a Unix socket that a dead server has left is replaced",
  ignore,
  fn: inDirectory(async (directory) => {
    const path = `${directory}/socket`;
    await using dead = await listeningAt(`unix:${path}`);
    dead.kill("SIGKILL");
    await dead.ended();
    assert.ok(await exists(path));
    await using _program = await listeningAt(`unix:${path}`);
    await assertEchoes(`unix:${path}`);
  }),
});

Deno.test({
  name: "a Unix socket that somebody listens on is taken, and stays",
  ignore,
  fn: inDirectory(async (directory) => {
    const path = `${directory}/socket`;
    await using _program = await listeningAt(`unix:${path}`);
    await assertRefused(`unix:${path}`, /Cannot listen on unix:.* in use/);
    await assertEchoes(`unix:${path}`);
  }),
});

Deno.test({
  name: "a file that is no socket is not replaced by one",
  ignore,
  fn: inDirectory(async (directory) => {
    const path = `${directory}/file`;
    await Deno.writeTextFile(path, "precious");
    await assertRefused(
      `unix:${path}`,
      /Cannot listen on unix:.*: there is a file that is no socket\n/,
    );
    assert.equal(await Deno.readTextFile(path), "precious");
  }),
});

Deno.test({
  name: "the path of a Unix socket may be relative, long and oddly spelt",
  ignore,
  fn: inDirectory(async (directory) => {
    const longest = `${directory}/`.padEnd(MAX_PATH, "x");
    for (
      const [url, path] of [
        [`unix:${longest}`, longest],
        [`unix://${directory}/three`, `${directory}/three`],
        [`unix:${directory}/a%3Fb%25?mode=raw`, `${directory}/a?b%`],
      ] as const
    ) {
      await using program = await listeningAt(url);
      assert.deepEqual(program.addresses, [`unix:${path}`]);
      await assertEchoes(`unix:${path}`);
    }
    await using _program = await Program.listeningAt(["unix:relative"], [], {
      permissions: WITH_FILES,
      cwd: directory,
    });
    await assertEchoes(`unix:${directory}/relative`);
  }),
});

Deno.test({
  name: "a Unix socket in no directory ends the start with one line",
  ignore,
  fn: () =>
    assertRefused(
      "unix:/no/such/directory/socket",
      /Cannot listen on unix:\S+: there is no such directory/,
    ),
});

Deno.test({
  name: "a Unix socket names the permissions that it needs",
  ignore: ignore || EXECUTABLE !== undefined,
  fn: inDirectory(async (directory) => {
    for (
      const [url, flags, permissions] of [
        ["unix:s", "--allow-net --allow-read --allow-write", []],
        ["unix:s", "--allow-net --allow-read --allow-write", ["--allow-net"]],
        ["unix:s", "--allow-net --allow-read --allow-write", [
          "--allow-net",
          "--allow-read",
        ]],
        ["unix:@s", "--allow-net", ["--allow-net=127.0.0.1"]],
      ] as const
    ) {
      await assertRefused(
        url.replace("unix:s", `unix:${directory}/s`),
        RegExp(
          `Cannot listen on unix:\\S+: permission missing, run again with ${flags}\n$`,
        ),
        [...permissions],
      );
    }
  }),
});

Deno.test({
  name: "an abstract name needs no file, and can be taken",
  ignore: !ABSTRACT,
}, async () => {
  const url = abstractName();
  await using program = await Program.listeningAt([url]);
  await assertEchoes(url);
  await assertRefused(url, /Cannot listen on unix:@.* in use/);
  program.kill();
  assert.equal((await program.ended()).code, 0);
  await using _again = await Program.listeningAt([url]);
  await assertEchoes(url);
});

Deno.test({
  name: "clients of a Unix socket are not asked for access",
  ignore: !ABSTRACT,
}, async () => {
  const args = ["--allow", "10.0.0.0/8", "--max-per-address", "1"];
  await using program = await Program.listeningAt([abstractName()], args);
  const address = program.addresses[0]!;
  using first = await Client.to(address);
  assert.equal(await first.echo("first\n"), "first\n");
  await assertEchoes(address);
});
