import assert from "node:assert/strict";
import deno from "../../../deno.json" with { type: "json" };
import { help, parseCommandLine, version } from "../../../lib/cli/command.ts";
import { LIMITS } from "../../../lib/options/limits.ts";
import { EXECUTABLE, PROGRAM, Program, run } from "../../support/program.ts";

/** Every kind of wrong use, and what the one line says of it. */
const WRONG: [args: string[], message: string][] = [
  [["--prot", "7"], 'unknown option "--prot": see echoserver --help'],
  [["-x"], 'unknown option "-x": see echoserver --help'],
  [["--no-quiet"], 'unknown option "--no-quiet": see echoserver --help'],
  [["--PORT=7"], 'unknown option "--PORT": see echoserver --help'],
  [["7000"], 'unexpected "7000": use --port 7000'],
  [["--", "7000"], 'unexpected "7000": use --port 7000'],
  [["70000"], 'unexpected "70000": see echoserver --help'],
  [["start"], 'unexpected "start": see echoserver --help'],
  [[""], 'unexpected "": see echoserver --help'],
  [["--port", "1", "2"], 'unexpected "2": use --port 2'],
  [["--port"], takes("port", "and none is given")],
  [["-p"], takes("port", "and none is given")],
  [["--port="], takes("port", 'not ""')],
  [["--port", ""], takes("port", 'not ""')],
  [["--port", "-1"], takes("port", 'not "-1"')],
  [["--port=+1"], takes("port", 'not "+1"')],
  [["--port", "10.5"], takes("port", 'not "10.5"')],
  [["--port", "1e3"], takes("port", 'not "1e3"')],
  [["--port", "0x10"], takes("port", 'not "0x10"')],
  [["--port", " 7"], takes("port", 'not " 7"')],
  [["--port", "٣"], takes("port", 'not "٣"')],
  [["--port", "http"], takes("port", 'not "http"')],
  [["--port", "65536"], takes("port", 'not "65536"')],
  [["-p", "65536"], takes("port", 'not "65536"')],
  [["--port", "9".repeat(400)], takes("port", `not "${"9".repeat(400)}"`)],
  [["--port", "1", "--port", "x"], takes("port", 'not "x"')],
  [["--port", "--verbose"], takes("port", 'not "--verbose"')],
  [["--max-line-length", "0"], takes("max-line-length", 'not "0"')],
  [
    ["--max-line-length", "16777217"],
    takes("max-line-length", 'not "16777217"'),
  ],
  [["--max-connections", "0"], takes("max-connections", 'not "0"')],
  [["--max-connections=1000001"], takes("max-connections", 'not "1000001"')],
  [["--idle-timeout", "0.5"], takes("idle-timeout", 'not "0.5"')],
  [["--idle-timeout", "86401"], takes("idle-timeout", 'not "86401"')],
  [["--shutdown-timeout", "86401"], takes("shutdown-timeout", 'not "86401"')],
  [["--backlog", "0"], takes("backlog", 'not "0"')],
  [["--backlog", "65536"], takes("backlog", 'not "65536"')],
  [["--workers", "0"], takes("workers", 'not "0"')],
  [["--workers", "257"], takes("workers", 'not "257"')],
  [
    ["--workers", "3", "--max-connections", "2"],
    "--workers takes at most --max-connections (2), not 3",
  ],
  [["--host"], "--host takes an address, and none is given"],
  [["--host="], '--host takes an address, not ""'],
  [["--mode"], "--mode takes line or raw, and none is given"],
  [["--mode", "lines"], '--mode takes line or raw, not "lines"'],
  [["--mode", "Raw"], '--mode takes line or raw, not "Raw"'],
  [["--log-format", "xml"], '--log-format takes text or json, not "xml"'],
  [["--quiet=yes"], '--quiet takes no value, not "yes"'],
  [["--verbose="], '--verbose takes no value, not ""'],
  [["--help=all"], '--help takes no value, not "all"'],
  [["-q", "-v"], "--quiet and --verbose exclude each other"],
  [["-vq"], "--quiet and --verbose exclude each other"],
  [["--mode", "a\nb"], '--mode takes line or raw, not "a\\nb"'],
];

function takes(option: string, instead: string): string {
  const name = option.replace(/-./g, ([, letter]) => letter!.toUpperCase());
  const { min, max } = LIMITS[name as keyof typeof LIMITS];
  return `--${option} takes a whole number from ${min} to ${max}, ${instead}`;
}

/**
 * Whether the text is one line, without anything that could steer a terminal.
 */
function isPlainLine(text: string): boolean {
  // deno-lint-ignore no-control-regex -- they are what is looked for
  return /^[^\0-\x1f\x7f-\x9f\u2028\u2029]+\n$/.test(text);
}

for (const [args, message] of WRONG) {
  Deno.test(`parseCommandLine refuses ${JSON.stringify(args)}`, () => {
    assert.throws(() => parseCommandLine(args), (error: Error) => {
      assert.ok(error.message.startsWith(message), error.message);
      assert.ok(isPlainLine(`${error.message}\n`));
      return true;
    });
  });

  Deno.test({
    name: `echoserver refuses ${JSON.stringify(args)} in one line, and exits 2`,
    ignore: !PROGRAM,
    fn: async () => {
      const { code, stdout, stderr } = await run(args);
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.ok(isPlainLine(stderr), stderr);
      assert.ok(stderr.startsWith(`echoserver: ${message}`), stderr);
    },
  });
}

/** What would steer a terminal, or end a line. */
const STEERING = "a\n\x1b[31m\x7f\x9b\u2028b";

for (const args of [[STEERING], [`--${STEERING}`], ["--port", STEERING]]) {
  Deno.test(`parseCommandLine escapes what it refuses, such as ${encodeURI(args.join(" "))}`, () => {
    assert.throws(
      () => parseCommandLine(args),
      ({ message }: Error) => isPlainLine(`${message}\n`),
    );
  });
}

Deno.test("parseCommandLine serves by default", () => {
  assert.deepEqual(parseCommandLine([]), {
    name: "serve",
    options: {},
    log: { verbosity: "normal" },
  });
});

Deno.test("parseCommandLine reads every option", () => {
  const args = [
    ["--port", "0"],
    ["--host", "::"],
    ["--mode", "raw"],
    ["--max-line-length", "1"],
    ["--max-connections", "2"],
    ["--idle-timeout", "0"],
    ["--shutdown-timeout", "3"],
    ["--backlog", "4"],
    ["--workers", "2"],
    ["--log-format", "json"],
    ["--verbose"],
  ];
  const expected = {
    name: "serve",
    options: {
      port: 0,
      host: "::",
      mode: "raw",
      maxLineLength: 1,
      maxConnections: 2,
      idleTimeout: 0,
      shutdownTimeout: 3,
      backlog: 4,
      workers: 2,
    },
    log: { format: "json", verbosity: "verbose" },
  };
  assert.deepEqual(parseCommandLine(args.flat()), expected);
  assert.deepEqual(
    parseCommandLine(args.map((arg) => arg.join("="))),
    expected,
  );
});

Deno.test("parseCommandLine takes the ends of every range", () => {
  for (const [name, { min, max }] of Object.entries(LIMITS)) {
    const option = name.replace(/[A-Z]/g, (letter) => `-${letter}`);
    for (const value of [min, max]) {
      const command = parseCommandLine([`--${option.toLowerCase()}=${value}`]);
      assert.ok(command.name === "serve");
      assert.deepEqual(command.options, { [name]: value });
    }
  }
});

for (
  const [args, verbosity] of [
    [["-q"], "quiet"],
    [["--quiet"], "quiet"],
    [["-v"], "verbose"],
    [["--verbose"], "verbose"],
    [["-v", "-v"], "verbose"],
  ] as const
) {
  Deno.test(`parseCommandLine logs ${verbosity} with ${args.join(" ")}`, () => {
    const command = parseCommandLine([...args]);
    assert.ok(command.name === "serve");
    assert.equal(command.log.verbosity, verbosity);
  });
}

Deno.test("parseCommandLine takes short options with the value close by", () => {
  for (const args of [["-p", "7"], ["-p7"], ["-vp7"]]) {
    const command = parseCommandLine(args);
    assert.ok(command.name === "serve");
    assert.equal(command.options.port, 7);
  }
});

Deno.test("parseCommandLine takes the last of several values", () => {
  const command = parseCommandLine(["--port", "7", "--port", "8"]);
  assert.ok(command.name === "serve");
  assert.equal(command.options.port, 8);
});

for (const [args, name] of [["-h", "help"], ["-V", "version"]] as const) {
  Deno.test(`parseCommandLine shows the ${name}, whatever follows`, () => {
    assert.deepEqual(parseCommandLine([args]), { name });
    assert.deepEqual(parseCommandLine([`--${name}`, "--nonsense"]), { name });
  });
}

Deno.test("help is at most 80 columns wide", () => {
  for (const line of help().split("\n")) assert.ok(line.length <= 80, line);
});

Deno.test("help shows every option with its range and default", () => {
  const page = help().replace(/\s+/g, " ");
  for (const [name, { min, max, default: value }] of Object.entries(LIMITS)) {
    const option = name.replace(/[A-Z]/g, (letter) => `-${letter}`);
    const range = `\\(${min} to ${max}, default ${value}\\)`;
    const row = `--${option.toLowerCase()} <[a-z]+> [^()]*${range}`;
    assert.match(page, new RegExp(row));
  }
  assert.match(page, /--host <address> [^()]*\(default 0\.0\.0\.0\)/);
  assert.match(page, /--mode <line\|raw> [^()]*\(default line\)/);
  assert.match(page, /--log-format <text\|json> [^()]*\(default text\)/);
  for (const option of ["-q, --quiet", "-v, --verbose", "-h, --help"]) {
    assert.ok(page.includes(` ${option} `), option);
  }
  assert.ok(page.includes(" -V, --version "));
});

Deno.test("help gives examples that work", () => {
  const examples = help().matchAll(/^ {2}echoserver(.*?)( {2}.*)?$/gm);
  for (const [, args] of examples) {
    parseCommandLine(args!.split(" ").filter(Boolean));
  }
});

Deno.test("version is that of the package", () => {
  assert.ok(version().startsWith(`echoserver ${deno.version} `));
});

for (const args of [["--help"], ["-h"], ["--version"], ["-V"]]) {
  Deno.test({
    name: `echoserver ${args} writes to standard output and exits 0`,
    ignore: !PROGRAM,
    fn: async () => {
      const { code, stdout, stderr } = await run(args);
      assert.deepEqual([code, stderr], [0, ""]);
      if (args[0]!.toLowerCase().endsWith("h") || args[0] === "--help") {
        assert.equal(stdout, `${help()}\n`);
      } else assert.match(stdout, /^echoserver \d+\.\d+\.\d+ .*\n$/);
    },
  });
}

/**
 * Runs what cannot start, and gives the one line that says so, without its
 * time.
 */
async function failure(args: string[], permissions?: string[]) {
  const { code, stdout, stderr } = await run(
    args,
    permissions ? { permissions } : {},
  );
  assert.deepEqual([code, stdout], [1, ""], stderr);
  assert.ok(isPlainLine(stderr), stderr);
  return stderr.trimEnd().replace(/^\S+ /, "");
}

Deno.test({
  name: "echoserver says that its port is taken, and exits 1",
  ignore: !PROGRAM,
  fn: async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    assert.equal(
      await failure(["--host", "127.0.0.1", "--port", `${port}`]),
      `error Cannot listen on 127.0.0.1:${port}: the port is already in use`,
    );
  },
});

for (
  const [args, error] of [
    [
      ["--host", "192.0.2.1", "--port", "0"],
      "Cannot listen on 192.0.2.1:0: the address is not one of this machine",
    ],
    [
      ["--host", "2001:db8::1", "--port", "0"],
      "Cannot listen on [2001:db8::1]:0: the address is not one of this machine",
    ],
    [["--host", "a\nb"], "Cannot listen on a\\u000ab:1050: "],
    [["--host", "no.such.host.invalid"], "Cannot listen on no.such.host.inva"],
  ] as const
) {
  Deno.test({
    name: `echoserver says that it cannot listen on ${JSON.stringify(args[1])}`,
    ignore: !PROGRAM,
    fn: async () => {
      const said = await failure([...args]);
      assert.ok(said.startsWith(`error ${error}`), said);
    },
  });
}

Deno.test({
  name: "echoserver says that --allow-net is missing, and exits 1",
  ignore: !PROGRAM || EXECUTABLE !== undefined,
  fn: async () => {
    assert.equal(
      await failure([], []),
      "error Cannot listen on 0.0.0.0:1050: permission missing, run again with --allow-net",
    );
  },
});

Deno.test({
  name: "echoserver says with --workers that --allow-read is missing",
  ignore: !PROGRAM || EXECUTABLE !== undefined,
  fn: async () => {
    const said = await failure(["--workers", "2"], ["--allow-net"]);
    assert.match(said, /^error Cannot start workers: .*--allow-read$/);
  },
});

Deno.test({
  name: "echoserver says with --workers that --unstable-net is missing",
  ignore: !PROGRAM || EXECUTABLE !== undefined || Deno.build.os !== "linux",
  fn: async () => {
    const permissions = ["--no-config", "--allow-net", "--allow-read"];
    const said = await failure(["--workers", "2"], permissions);
    assert.match(said, /^error Cannot start workers: .*--unstable-net$/);
  },
});

Deno.test({
  name: "echoserver says as JSON that it cannot start",
  ignore: !PROGRAM,
  fn: async () => {
    const { code, stderr } = await run(
      ["--log-format", "json", "--host", "192.0.2.1"],
    );
    assert.equal(code, 1);
    const { level, event, reason } = JSON.parse(stderr);
    assert.deepEqual([level, event], ["error", "failure"]);
    assert.match(reason, /not one of this machine$/);
  },
});

Deno.test({
  name: "echoserver needs nothing but --allow-net, and does not ask",
  ignore: !PROGRAM,
  fn: async () => {
    await using program = await Program.listening();
    program.kill("SIGTERM");
    const { code, stdout, stderr } = await program.ended();
    assert.deepEqual([code, stdout], [0, ""]);
    assert.doesNotMatch(stderr, /allow-|prompt|granted/i);
  },
});
