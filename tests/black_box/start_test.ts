/**
 * How the program starts: what it listens on, what it needs, and what ends a
 * start.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Client } from "../support/client.ts";
import { freePort } from "../support/ports.ts";
import {
  EXECUTABLE,
  PROC,
  PROGRAM,
  Program,
  type ProgramOptions,
  programTest,
  succeeds,
  until,
} from "../support/program.ts";

const ignore = !PROGRAM || Deno.build.os === "windows";

/** What workers need under `deno run`. */
const WORKERS: ProgramOptions = {
  permissions: ["--allow-net", "--allow-read"],
};

// Names

/**
 * Starts the program where the system's table of hosts says that `both.test` is
 * two addresses.
 */
const TWO_ADDRESSES = [
  "unshare",
  "--mount",
  "sh",
  "-c",
  'printf "127.0.0.1 both.test\\n::1 both.test\\n" >"$HOSTS" && ' +
  'mount --bind "$HOSTS" /etc/hosts && exec "$0" "$@"',
];

/** Whether we may give a program a table of hosts of its own. */
const HOSTS = PROC && await succeeds("unshare", "--mount", "true");

if (PROC && !HOSTS) {
  console.log(
    "Tests of a name with several addresses are ignored: they need root and unshare(1).",
  );
}

/** As {@linkcode TWO_ADDRESSES}, with a file for the table. */
async function withHosts(): Promise<{ under: string[] } & AsyncDisposable> {
  const hosts = await Deno.makeTempFile();
  return {
    under: ["env", `HOSTS=${hosts}`, ...TWO_ADDRESSES],
    [Symbol.asyncDispose]: () => Deno.remove(hosts),
  };
}

programTest({
  name: "a name with several addresses is listened on at each, on one port",
  ignore: !HOSTS,
}, async () => {
  await using hosts = await withHosts();
  const program = Program.spawn(["--host", "both.test", "--port", "0"], hosts);
  await using _program = program;
  const lines = await program.sawTimes(2, /listening on (\S+):(\d+)\n/);
  const [port, ...others] = new Set(lines.map(([, , port]) => Number(port)));
  assert.deepEqual(others, []);
  assert.deepEqual(lines.map(([, host]) => host).sort(), [
    "127.0.0.1",
    "[::1]",
  ]);
  for (const host of ["127.0.0.1", "::1"]) {
    using client = await Client.connect(port!, host);
    assert.equal(await client.echo("one\n"), "one\n");
  }
  program.kill();
  const { code, stderr } = await program.ended();
  assert.equal(code, 0);
  assert.match(stderr, /stopped: 2 connections served/);
});

programTest({
  name: "a name that may not be resolved is listened on as the runtime does",
  ignore: ignore || EXECUTABLE !== undefined,
}, async () => {
  const port = freePort();
  await using program = Program.spawn(
    ["--host", "localhost", "--port", `${port}`],
    { permissions: [`--allow-net=localhost:${port}`] },
  );
  await program.saw(/listening on \S+:\d+\n/);
  using client = await Client.connect(port, "localhost");
  assert.equal(await client.echo("one\n"), "one\n");
});

// Workers

for (
  const args of [
    ["--workers", "1", "--max-connections", "1"],
    ["--workers", "2", "--max-connections", "2"],
    ["--workers", "4", "--max-connections", "12"],
    ["--workers", "3", "--max-connections", "1000000"],
  ]
) {
  programTest({
    name: `the program serves with ${args.join(" ")}`,
    ignore: !PROC,
  }, async () => {
    await using program = await Program.listening(args, WORKERS);
    for (let i = 0; i < 4; i++) {
      using client = await Client.connect(program.port);
      assert.equal(await client.echo("one\n"), "one\n");
      await client.closeWrite();
      await client.receiveAll();
    }
    program.kill();
    const { code, stderr } = await program.ended();
    assert.equal(code, 0);
    assert.match(stderr, /stopped: 4 connections served/);
  });
}

programTest({
  name: "two programs with workers that start at once do not share a port",
  ignore: !PROC,
}, async () => {
  // For some hundred microseconds of a start the other goes unnoticed: to meet
  // them so often in a row is no accident.
  for (let tries = 10; !await refusesOneOfTwo(); tries--) {
    assert.notEqual(tries, 1, "both serve on one port");
  }
});

/** Starts two at once: whether one serves and the other says why it cannot. */
async function refusesOneOfTwo(): Promise<boolean> {
  const args = ["--host=127.0.0.1", `--port=${freePort()}`, "--workers=2"];
  await using one = Program.spawn(args, WORKERS);
  await using other = Program.spawn(args, WORKERS);
  const first = (program: Program) =>
    Promise.race([
      program.saw(/listening on /).then(() => "serves", () => "ends"),
      program.ended().then(() => "ends"),
    ]);
  const outcomes = await Promise.all([first(one), first(other)]);
  if (!outcomes.includes("ends")) return false;
  const [winner, loser] = outcomes[0] === "serves"
    ? [one, other]
    : [other, one];
  const { code, stderr } = await loser.ended();
  assert.equal(code, 1);
  assert.match(stderr, /the port is already in use\n$/);
  winner.kill();
  assert.equal((await winner.ended()).code, 0);
  return true;
}

programTest(
  { name: "a signal ends a start with many workers", ignore: !PROC },
  async () => {
    await using program = Program.spawn(
      ["--host=127.0.0.1", "--port=0", "--workers=100"],
      WORKERS,
    );
    const before = await threads(program, 1);
    await threads(program, before + 16);
    program.kill();
    const { code, stderr } = await program.ended();
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /listening on/);
  },
);

/** Waits until the program has so many threads, and says how many it has. */
function threads(program: Program, least: number): Promise<number> {
  return until(async () => {
    const { stdout } = await new Deno.Command("sh", {
      args: ["-c", `ls /proc/${program.pid}/task | wc -l`],
      stderr: "null",
    }).output();
    const count = Number(new TextDecoder().decode(stdout));
    if (count < least) throw new Error(`${count} threads`);
    return count;
  });
}

// Signals

/**
 * Takes the place of all that `main.ts` loads: tells that it is loaded, and
 * never is.
 */
const NEVER_LOADED = "data:application/javascript," +
  encodeURIComponent(`
    console.error("loading");
    setInterval(() => {}, 1000);
    await new Promise(() => {});
  `);

programTest({
  name: "signals are heard before anything is loaded",
  ignore: ignore || EXECUTABLE !== undefined,
}, async () => {
  const replaced = import.meta.resolve("../../lib/cli/run.ts");
  const imports = { imports: { [replaced]: NEVER_LOADED } };
  const map = `data:application/json,${
    encodeURIComponent(JSON.stringify(imports))
  }`;
  await using program = Program.spawn([], {
    permissions: [`--import-map=${map}`],
  });
  await program.saw(/loading/);
  // The first is kept for what is being loaded. Of another one, a while later,
  // the exit code tells that both were heard.
  program.kill();
  const again = setInterval(() => program.kill(), 700);
  const { code, signal } = await program.ended()
    .finally(() => clearInterval(again));
  assert.deepEqual([code, signal], [143, null]);
});

programTest({
  name: "process 1 of a container starts, hears SIGTERM and drains",
  ignore: !HOSTS,
}, async () => {
  await using program = await Program.listening([], {
    under: ["unshare", "--pid", "--fork", "--mount-proc"],
  });
  using client = await Client.connect(program.port);
  assert.equal(await client.echo("one\n"), "one\n");
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `cat /proc/${program.pid}/task/*/children`],
  }).output();
  Deno.kill(Number(new TextDecoder().decode(stdout)), "SIGTERM");
  assert.equal(await client.receive(), null);
  client.close();
  const { code, stderr } = await program.ended();
  assert.equal(code, 0);
  assert.match(stderr, /stopped: 1 connection served/);
});
