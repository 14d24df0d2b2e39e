/**
 * What only concerns the executable that `deno task compile` makes. The
 * environment variable `ECHOSERVER` names it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { basename } from "node:path";
import { Client } from "../support/client.ts";
import { EXECUTABLE, PROGRAM, Program, run } from "../support/program.ts";
import deno from "../../deno.json" with { type: "json" };

const WINDOWS = Deno.build.os === "windows";

const ignore = !PROGRAM || !EXECUTABLE;

/** The least that any program needs to start. */
const BARE: Record<string, string> = WINDOWS && !ignore
  ? { SystemRoot: Deno.env.get("SystemRoot")! }
  : {};

Deno.test({
  name: "the executable serves from an empty directory and environment",
  ignore,
  fn: async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    await using program = await Program.listening([], { cwd, env: BARE });
    using client = await Client.connect(program.port);
    assert.equal(await client.echo("hello\n"), "hello\n");
  },
});

Deno.test({
  name: "the executable serves where no file lies beside it",
  ignore,
  fn: async () => {
    await using directory = await temporaryDirectory();
    const copy = `${directory.path}/echo${WINDOWS ? ".exe" : ""}`;
    await Deno.copyFile(EXECUTABLE!, copy);
    const args = ["--host", "127.0.0.1", "--port", "0"];
    await using program = Program.other(copy, args);
    const [, port] = await program.saw(/listening on \S+:(\d+)/);
    using client = await Client.connect(Number(port));
    assert.equal(await client.echo("hello\n"), "hello\n");
  },
});

Deno.test({
  name: "the executable names its version, and that of the Deno in it",
  ignore,
  fn: async () => {
    const { code, stdout, stderr } = await run(["--version"]);
    const [, version] =
      stdout.match(/^echoserver (\S+) \(Deno \d+\.\d+\.\d+, \S+\)\n$/) ?? [];
    assert.equal(version, deno.version);
    assert.equal(stderr, "");
    assert.equal(code, 0);
  },
});

Deno.test({
  name: "the executable starts threads without a permission or a file",
  ignore: ignore || Deno.build.os !== "linux",
  fn: async () => {
    await using directory = await temporaryDirectory();
    const options = { cwd: directory.path, env: {} };
    await using program = await Program.listening(["--workers", "2"], options);
    for (let i = 0; i < 8; i++) {
      using client = await Client.connect(program.port);
      assert.equal(await client.echo("hello\n"), "hello\n");
    }
    program.kill();
    assert.equal((await program.ended()).code, 0);
  },
});

Deno.test({
  name: "the executable neither reads nor leaves a temporary file",
  ignore: ignore || WINDOWS,
  fn: async () => {
    await using directory = await temporaryDirectory();
    // Where Deno would keep a code cache: a pipe that nobody writes to, which
    // holds up for ever who opens it.
    const cache = `deno-compile-${basename(EXECUTABLE!)}.cache`;
    await new Deno.Command("mkfifo", { args: [`${directory.path}/${cache}`] })
      .output();
    const env = { TMPDIR: directory.path };
    await using program = await Program.listening([], { env });
    using client = await Client.connect(program.port);
    assert.equal(await client.echo("hello\n"), "hello\n");
    client.close();
    program.kill();
    assert.equal((await program.ended()).code, 0);
    const files = await Array.fromAsync(Deno.readDir(directory.path));
    assert.deepEqual(files.map(({ name }) => name), [cache]);
  },
});

async function temporaryDirectory(): Promise<
  { path: string } & AsyncDisposable
> {
  const path = await Deno.makeTempDir();
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
