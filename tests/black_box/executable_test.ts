/**
 * What only concerns the executable that `deno task compile` makes. The
 * environment variable `ECHOSERVER` names it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { basename } from "node:path";
import { Client } from "../support/client.ts";
import {
  ABSTRACT,
  EXECUTABLE,
  NO_TLS,
  PROGRAM,
  Program,
  run,
} from "../support/program.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import deno from "../../deno.json" with { type: "json" };

const WINDOWS = Deno.build.os === "windows";
const LINUX = Deno.build.os === "linux";

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
    const [, port] = await program.saw(/listening on \S+:(\d+)\n/);
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
  name: "the executable has the options that the README shows",
  ignore,
  fn: async () => {
    const { code, stdout } = await run(["--help"]);
    assert.ok((await readme()).includes(stdout.trimEnd()));
    assert.equal(code, 0);
  },
});

Deno.test({
  name: "the executable is about as large as the README says",
  ignore: ignore || !LINUX,
  fn: async () => {
    const [, megabytes] = (await readme()).match(
      /^\| executable .* (\d+) MB/m,
    )!;
    const { size } = await Deno.stat(EXECUTABLE!);
    const ratio = size / 1e6 / Number(megabytes);
    assert.ok(ratio > 0.75 && ratio < 1.25, `${size} bytes`);
  },
});

Deno.test({
  name: "the executable bears what every listener, its page and its probe need",
  ignore,
  fn: async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const listeners = [
      "tcp://127.0.0.1:0?latency=5ms&slice=7&greeting=on",
      "udp://127.0.0.1:0",
      ...WINDOWS ? [] : ["unix:socket"],
      ...ABSTRACT ? [`unix:@${cwd}`] : [],
    ];
    const args = listeners.flatMap((url) => ["--listen", url]);
    const options = { cwd, env: BARE };
    await using program = Program.spawn(
      [...args, "--admin", "0", "--allow", "127.0.0.1"],
      options,
    );
    const ready = await program.sawTimes(
      listeners.length + 1,
      /listening on (.*)\n/,
    );
    const [admin, ...served] = ready.map(([, address]) => address!);
    for (const address of served) {
      const probe = ["probe", "-n", "20", "-c", "2", "--json", address];
      const greeted = address === served[0] ? ["--greeting"] : [];
      const { code, stdout, stderr } = await run(
        [...probe, ...greeted],
        options,
      );
      assert.equal(stderr, "");
      assert.equal(JSON.parse(stdout).lines, 20);
      assert.equal(code, 0);
    }
    for (const path of ["/readyz", "/metrics", "/connections", "/"]) {
      const response = await fetch(admin + path);
      assert.ok((await response.text()).length > 0);
      assert.equal(response.status, 200);
    }
    program.kill();
    assert.equal((await program.ended()).code, 0);
    assert.deepEqual(await Array.fromAsync(Deno.readDir(cwd)), []);
  },
});

Deno.test({
  name: "the executable reads PROXY headers",
  ignore,
  fn: async () => {
    const listen = ["tcp://127.0.0.1:0?proxy=127.0.0.1"];
    await using program = await Program.listeningAt(listen, [], { env: BARE });
    using client = await Client.to(program.addresses[0]!);
    await client.send("PROXY TCP4 192.0.2.7 192.0.2.1 7 7\r\nhello\n");
    assert.equal(await client.receiveText(6), "hello\n");
  },
});

Deno.test({
  name: "the executable serves TLS, or says that its runtime cannot",
  ignore,
  fn: async () => {
    const listen = ["--listen", "tls://127.0.0.1:0"];
    await using program = Program.spawn(listen, { env: BARE });
    const [, fingerprint] = await program.saw(/SHA-256 (\w+)\n/);
    if (NO_TLS) {
      const { code, stderr } = await program.ended();
      assert.match(
        stderr,
        /error Cannot serve TLS: Deno 2\.9 can, this is .*\n$/,
      );
      assert.equal(code, 1);
      return;
    }
    const [, address] = await program.saw(/listening on (tls:\S+)\n/);
    const trusting = ["--fingerprint", fingerprint!];
    const { code } = await run(["probe", "-n", "20", ...trusting, address!]);
    assert.equal(code, 0);
  },
});

Deno.test({
  name: "what runs as an executable has given up its files when it accepts",
  ignore: !PROGRAM || WINDOWS,
  fn: async () => {
    await using directory = await temporaryDirectory();
    const path = import.meta.resolve("../support/as_executable.ts");
    const allowed = ["--allow-net", "--allow-read", "--allow-write"];
    const listen = ["tcp://127.0.0.1:0", `unix:${directory.path}/socket`]
      .flatMap((url) => ["--listen", url]);
    await using program = Program.other(
      Deno.execPath(),
      ["run", "--no-prompt", ...allowed, path, ...listen],
    );
    const { code, stdout, stderr } = await program.ended();
    assert.equal(
      stdout,
      '{"read":"NotCapable","write":"NotCapable"}\n',
      stderr,
    );
    assert.equal(code, 0);
    // A Unix listener takes its file with it all the same.
    assert.deepEqual(await Array.fromAsync(Deno.readDir(directory.path)), []);
  },
});

Deno.test({
  name: "the executable starts threads without a permission or a file",
  ignore: ignore || !LINUX,
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

function readme(): Promise<string> {
  return Deno.readTextFile(new URL("../../README.md", import.meta.url));
}
