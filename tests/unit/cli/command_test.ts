import assert from "node:assert/strict";
import { parseCommandLine } from "../../../lib/cli/command.ts";
import { help, probeHelp } from "../../../lib/cli/help.ts";
import {
  dashed,
  OPTIONS,
  optionsIn,
  type Table,
} from "../../../lib/options/schema.ts";
import { PROBE_OPTIONS } from "../../../lib/probe/options.ts";
import { NO_NAME } from "../../support/ports.ts";
import {
  EXECUTABLE,
  Program,
  programTest,
  run,
} from "../../support/program.ts";

const LISTENER = "the URL of a listener, such as tcp://127.0.0.1:1050";
const CIDRS = "addresses or networks joined by commas, such as 10.0.0.0/8";
const TARGETS =
  "an address such as host:port, tls://host:port, udp://host:port or unix:path";
const UNKNOWN_CONECTIONS =
  'unknown option "--max-conections": did you mean --max-connections?';

/** Every kind of wrong use, and what the one line says of it. */
const WRONG: [args: string[], message: string][] = [
  [["--prot", "7"], 'unknown option "--prot": did you mean --port?'],
  [["--max-conections=7"], UNKNOWN_CONECTIONS],
  [["-x"], 'unknown option "-x": see echoserver --help'],
  [["--no-quiet"], 'unknown option "--no-quiet": see echoserver --help'],
  [["--PORT=7"], 'unknown option "--PORT": did you mean --port?'],
  [["--rate=7"], 'unknown option "--rate": it is a parameter of a listener: '],
  [
    ["--latency", "5"],
    "unknown option \"--latency\": it is a parameter of a listener: --listen 'tcp://:1050?latency=<duration>'",
  ],
  [
    ["--loss=1"],
    "unknown option \"--loss\": it is a parameter of a listener: --listen 'udp://:1050?loss=<0..1>'",
  ],
  [["-c", "4"], 'unknown option "-c": it is an option of echoserver probe'],
  [["--max-p99"], 'unknown option "--max-p99": it is an option of echoserver '],
  [["--transport", "tcp"], 'unknown option "--transport": see echoserver --h'],
  [["--__proto__"], 'unknown option "--__proto__": see echoserver --help'],
  [["7000"], 'unexpected "7000": use --port 7000'],
  [["--", "7000"], 'unexpected "7000": use --port 7000'],
  [["70000"], 'unexpected "70000": see echoserver --help'],
  [["help"], 'unexpected "help": use --help'],
  [["max-connections"], 'unexpected "max-connections": use --max-connections'],
  [["start"], 'unexpected "start": see echoserver --help'],
  [["prob"], 'unexpected "prob": did you mean probe?'],
  [["-q", "probe", "a:1"], 'unexpected "probe": it must come first'],
  [[""], 'unexpected "": see echoserver --help'],
  [["--port", "1", "2"], 'unexpected "2": use --port 2'],
  [["--port"], takes("port", "but none was given")],
  [["-p"], takes("port", "but none was given")],
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
  [
    ["--max-line-length", "64k"],
    '--max-line-length takes a whole number of bytes from 1 to 16777216, not "6',
  ],
  [["--max-line-length", "0"], takes("max-line-length", 'not "0"')],
  [
    ["--max-line-length", "16777217"],
    takes("max-line-length", 'not "16777217"'),
  ],
  [["--max-connections", "0"], takes("max-connections", 'not "0"')],
  [["--max-connections=1000001"], takes("max-connections", 'not "1000001"')],
  [["--idle-timeout", "0.5"], takes("idle-timeout", 'not "0.5"')],
  [
    ["--idle-timeout", "5m"],
    '--idle-timeout takes a whole number of seconds from 0 to 86400, not "5m"',
  ],
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
  [
    ["--host"],
    "--host takes an address or a name without a port, but none was given",
  ],
  [["--host="], '--host takes an address or a name without a port, not ""'],
  [
    ["--host", "a\nb"],
    '--host takes an address or a name without a port, not "a\\nb"',
  ],
  [
    ["--host", "127.0.0.1:80"],
    '--host takes an address or a name without a port, not "127.0.0.1:80"',
  ],
  [["--mode"], "--mode takes line or raw, but none was given"],
  [["--mode", "lines"], '--mode takes line or raw, not "lines"'],
  [["--mode", "Raw"], '--mode takes line or raw, not "Raw"'],
  [["--log-format", "xml"], '--log-format takes text or json, not "xml"'],
  [["--quiet=yes"], '--quiet takes no value, not "yes"'],
  [["--verbose="], '--verbose takes no value, not ""'],
  [["--help=all"], '--help takes no value, not "all"'],
  [["-q", "-v"], "--quiet and --verbose cannot be combined"],
  [["-vq"], "--quiet and --verbose cannot be combined"],
  [["--listen"], `--listen takes ${LISTENER}, but none was given`],
  [["--listen", ""], `--listen takes ${LISTENER}, not ""`],
  [["--listen", "-v"], `--listen takes ${LISTENER}, not "-v"`],
  [["--listen", "1050"], "--listen 1050: did you mean tcp://:1050?"],
  [
    ["--listen", "tcp://:1?foo=1"],
    '--listen tcp://:1?foo=1: unknown parameter "foo"',
  ],
  [
    ["--listen", "udp://:1", "--listen", "udp://:1?mode=raw"],
    "--listen udp://:1?mode=raw: mode is not for udp",
  ],
  [
    ["--listen", "udp://:1\x1b"],
    "--listen udp://:1\\u001b: port takes a whole number from 0 to 65535, not",
  ],
  [
    ["--listen", "tcp://:1", "--host", "::"],
    "--listen and --host cannot be combined",
  ],
  [["-p1", "--listen=tcp://:1"], "--listen and --port cannot be combined"],
  [["--tls-cert", "a.pem"], "--tls-cert and --tls-key must be given together"],
  [
    ["--tls-cert", "a.pem", "--tls-key", "b.pem"],
    "--tls-cert and --tls-key need --listen tls://HOST:PORT",
  ],
  [
    ["--tls-cert=a", "--tls-key=b", "--listen=tcp://:1"],
    "--tls-cert and --tls-key need --listen tls://HOST:PORT",
  ],
  [["--tls-key", "a.pem"], "--tls-cert and --tls-key must be given together"],
  [["--tls-key"], "--tls-key takes a file name, but none was given"],
  [["--allow", "10.0.0.0/33"], `--allow takes ${CIDRS}, not "10.0.0.0/33"`],
  [["--deny", "10.0.0.1,"], `--deny takes ${CIDRS}, not "10.0.0.1,"`],
  [["--deny", "host"], `--deny takes ${CIDRS}, not "host"`],
  [["--max-per-address=-1"], takes("max-per-address", 'not "-1"')],
  [["--max-per-address=1000001"], takes("max-per-address", 'not "1000001"')],
  [["--greeting=on"], '--greeting takes no value, not "on"'],
  [["--name", ""], '--name takes 1 to 255 characters, not ""'],
  [
    ["--admin", "host"],
    "--admin takes [host:]port with a port from 0 to 65535",
  ],
  [
    ["--admin", "::1:80"],
    "--admin takes [host:]port with a port from 0 to 655",
  ],
  [
    ["--admin", "65536"],
    "--admin takes [host:]port with a port from 0 to 6553",
  ],
  [["probe"], `probe takes ${TARGETS}, but none was given`],
  [["probe", "-c"], probeTakes("connections", "but none was given")],
  [
    ["probe", "host"],
    `probe takes ${TARGETS}, not "host": the port is missing`,
  ],
  [
    ["probe", "a:0"],
    `probe takes ${TARGETS}, not "a:0": port takes a whole number from 1 to 655`,
  ],
  [["probe", "1050"], `probe takes ${TARGETS}, not "1050": did you mean local`],
  [["probe", "http://a:1"], `probe takes ${TARGETS}, not "http://a:1": unkno`],
  [["probe", ":1"], `probe takes ${TARGETS}, not ":1": the host is missing`],
  [["probe", "a:1", "b:1"], 'unexpected "b:1": probe takes one address'],
  [["probe", "a:1", "--port"], 'unknown option "--port": it is an option of'],
  [["probe", "-q", "a:1"], 'unknown option "-q": it is an option of the serv'],
  [["probe", "a:1", "--coun=1"], 'unknown option "--coun": did you mean --c'],
  [["probe", "a:1", "-c", "0"], probeTakes("connections", 'not "0"')],
  [["probe", "a:1", "-d", "0"], probeTakes("duration", 'not "0"')],
  [["probe", "a:1", "-d", "1s"], probeTakes("duration", 'not "1s"')],
  [
    ["probe", "a:1", "--max-p99", "20ms"],
    '--max-p99 takes a number of milliseconds from 0 to 3600000, not "20ms"',
  ],
  [["probe", "a:1", "-n", "1.5"], probeTakes("count", 'not "1.5"')],
  [["probe", "a:1", "-r", "-1"], probeTakes("rate", 'not "-1"')],
  [["probe", "a:1", "--size", "15"], probeTakes("size", 'not "15"')],
  [
    ["probe", "udp://a:1", "--size", "65508"],
    "--size takes a whole number from 16 to 65507 for udp, not 65508",
  ],
  [["probe", "a:1", "--json=1"], '--json takes no value, not "1"'],
  [["probe", "a:1", "--ca-cert", "f"], "--ca-cert is not for tcp"],
  [
    ["probe", "unix:a", "--fingerprint", "ab".repeat(32)],
    "--fingerprint is not for unix",
  ],
  [["probe", "udp://a:1", "--greeting"], "--greeting is not for udp"],
  [
    ["probe", "tls://a:1", "--fingerprint", "ab:cd"],
    "--fingerprint takes a SHA-256 fingerprint: 32 bytes in hex, with colons or",
  ],
  [["--mode", "a\nb"], '--mode takes line or raw, not "a\\nb"'],
];

function takes(option: string, instead: string): string {
  return takesOf(OPTIONS, option, instead);
}

function probeTakes(option: string, instead: string): string {
  return takesOf(PROBE_OPTIONS, option, instead);
}

function takesOf(table: Table, option: string, instead: string): string {
  const name = option.replace(/-./g, ([, letter]) => letter!.toUpperCase());
  return `--${option} takes ${table[name]!.kind.option!.takes}, ${instead}`;
}

/**
 * Whether the text is one line, without anything that could steer a terminal.
 */
function isPlainLine(text: string): boolean {
  // deno-lint-ignore no-control-regex -- they are what is looked for
  return /^[^\0-\x1f\x7f-\x9f\u2028\u2029]+\n$/.test(text);
}

for (const [args, message] of WRONG) {
  Deno.test(`parseCommandLine refuses ${JSON.stringify(args)}`, async () => {
    await assert.rejects(parseCommandLine(args), (error: Error) => {
      assert.ok(error.message.startsWith(message), error.message);
      assert.ok(isPlainLine(`${error.message}\n`));
      return true;
    });
  });

  programTest(
    `echoserver refuses ${JSON.stringify(args)} in one line, and exits 2`,
    async () => {
      const { code, stdout, stderr } = await run(args);
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.ok(isPlainLine(stderr), stderr);
      assert.ok(stderr.startsWith(`echoserver: ${message}`), stderr);
    },
  );
}

/** What would steer a terminal, or end a line. */
const STEERING = "a\n\x1b[31m\x7f\x9b\u2028b";

for (const args of [[STEERING], [`--${STEERING}`], ["--port", STEERING]]) {
  Deno.test(`parseCommandLine escapes what it refuses, such as ${encodeURI(args.join(" "))}`, async () => {
    await assert.rejects(
      parseCommandLine(args),
      ({ message }: Error) => isPlainLine(`${message}\n`),
    );
  });
}

/** What the command line says of serving. */
async function serve(args: string[]) {
  const command = await parseCommandLine(args);
  assert.ok(command.name === "serve");
  return command;
}

/** What the command line says of a probe of `a:1`. */
async function probe(args: string[], address = "a:1") {
  const command = await parseCommandLine(["probe", ...args, address]);
  assert.ok(command.name === "probe");
  return command;
}

Deno.test("parseCommandLine serves by default", async () => {
  assert.deepEqual(await parseCommandLine([]), {
    name: "serve",
    options: {},
    log: { verbosity: "normal" },
  });
});

Deno.test("parseCommandLine reads every option", async () => {
  const args = [
    ["--port", "0"],
    ["--host", "::"],
    ["--mode", "raw"],
    ["--max-line-length", "1"],
    ["--max-connections", "2"],
    ["--max-per-address", "1"],
    ["--idle-timeout", "0"],
    ["--shutdown-timeout", "3"],
    ["--backlog", "4"],
    ["--workers", "2"],
    ["--allow", "10.0.0.0/8,::1"],
    ["--deny", "10.0.0.1"],
    ["--name", "pod 7"],
    ["--greeting"],
    ["--admin", "localhost:9090"],
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
      maxPerAddress: 1,
      idleTimeout: 0,
      shutdownTimeout: 3,
      backlog: 4,
      workers: 2,
      allow: ["10.0.0.0/8", "::1"],
      deny: ["10.0.0.1"],
      name: "pod 7",
      greeting: true,
      admin: "localhost:9090",
    },
    log: { format: "json", verbosity: "verbose" },
  };
  assert.deepEqual(await parseCommandLine(args.flat()), expected);
  assert.deepEqual(
    await parseCommandLine(args.map((arg) => arg.join("="))),
    expected,
  );
});

Deno.test("parseCommandLine takes several listeners", async () => {
  const { options } = await serve([
    "--listen",
    "tcp://:7?mode=raw",
    "--listen=unix:@a",
  ]);
  assert.deepEqual(options, {
    listen: [
      { transport: "tcp", host: "0.0.0.0", port: 7, mode: "raw" },
      { transport: "unix", path: "@a" },
    ],
  });
});

Deno.test("parseCommandLine takes a certificate for TLS", async () => {
  const { options } = await serve([
    "--listen=tls://:7",
    "--tls-cert=cert.pem",
    "--tls-key=key.pem",
  ]);
  assert.deepEqual(options, {
    listen: [{ transport: "tls", host: "0.0.0.0", port: 7 }],
    tlsCertFile: "cert.pem",
    tlsKeyFile: "key.pem",
  });
});

Deno.test("parseCommandLine reads every option of a probe", async () => {
  const args = [
    ["--connections", "3"],
    ["--rate", "1000"],
    ["--duration", "0.5"],
    ["--in-flight", "2"],
    ["--count", "9"],
    ["--size", "100"],
    ["--reconnect"],
    ["--timeout", ".25"],
    ["--ca-cert", "ca.pem"],
    ["--fingerprint", "AB:".repeat(31) + "cd"],
    ["--greeting"],
    ["--json"],
    ["--max-p99", "1.5"],
  ];
  const address = "tls://[::1]:1050";
  const expected = {
    name: "probe",
    address,
    options: {
      connections: 3,
      rate: 1000,
      duration: 0.5,
      inFlight: 2,
      count: 9,
      size: 100,
      reconnect: true,
      timeout: 0.25,
      fingerprint: "ab".repeat(31) + "cd",
      greeting: true,
    },
    json: true,
    maxP99: 1.5,
    caCertFile: "ca.pem",
  };
  assert.deepEqual(await probe(args.flat(), address), expected);
  assert.deepEqual(
    await probe(args.map((arg) => arg.join("=")), address),
    expected,
  );
});

Deno.test("parseCommandLine probes with the address first or last", async () => {
  const expected = {
    name: "probe",
    address: "a:1",
    options: { connections: 1, rate: 2, duration: 3, count: 4 },
    json: false,
  };
  const args = ["-c1", "-r2", "-d3", "-n4"];
  assert.deepEqual(await parseCommandLine(["probe", "a:1", ...args]), expected);
  assert.deepEqual(await parseCommandLine(["probe", ...args, "a:1"]), expected);
});

for (
  const [table, read] of [
    [OPTIONS as Table, async (args: string[]) => (await serve(args)).options],
    [PROBE_OPTIONS as Table, async (args: string[]) => {
      const { options, maxP99 } = await probe(args);
      return { ...options, ...maxP99 !== undefined && { maxP99 } };
    }],
  ] as const
) {
  for (const [name, { kind }] of Object.entries(optionsIn("command", table))) {
    if (!kind.range) continue;
    const { min, max } = kind.range;
    const option = `--${dashed(name)}`;

    Deno.test(`parseCommandLine takes ${option} from ${min} to ${max} and no more`, async () => {
      for (const value of [min, max]) {
        const args = [`${option}=${value}`];
        if (name === "workers") args.push("--max-connections=256");
        const given = await read(args) as Record<string, unknown>;
        assert.equal(given[name], value);
      }
      for (const value of [min - 1, max + 1]) {
        await assert.rejects(
          read([`${option}=${value}`]),
          ({ message }: Error) => message.startsWith(`${option} takes a `),
        );
      }
    });
  }
}

for (
  const [args, verbosity] of [
    [["-q"], "quiet"],
    [["--quiet"], "quiet"],
    [["-v"], "verbose"],
    [["--verbose"], "verbose"],
    [["-v", "-v"], "verbose"],
  ] as const
) {
  Deno.test(`parseCommandLine logs ${verbosity} with ${args.join(" ")}`, async () => {
    assert.equal((await serve([...args])).log.verbosity, verbosity);
  });
}

Deno.test("parseCommandLine takes short options with the value close by", async () => {
  for (const args of [["-p", "7"], ["-p7"], ["-vp7"]]) {
    assert.equal((await serve(args)).options.port, 7);
  }
});

Deno.test("parseCommandLine takes the last of several values", async () => {
  assert.equal((await serve(["--port", "7", "--port", "8"])).options.port, 8);
});

for (
  const [args, command] of [
    [["-h"], { name: "help", of: "serve" }],
    [["--help", "--nonsense"], { name: "help", of: "serve" }],
    [["-V"], { name: "version" }],
    [["--version", "--nonsense"], { name: "version" }],
    [["probe", "-h"], { name: "help", of: "probe" }],
    [["probe", "--help", "--nonsense"], { name: "help", of: "probe" }],
    [["probe", "a", "b", "--help"], { name: "help", of: "probe" }],
    [["-q", "-v", "--help"], { name: "help", of: "serve" }],
  ] as const
) {
  Deno.test(`parseCommandLine shows a page for ${args.join(" ")}`, async () => {
    assert.deepEqual(await parseCommandLine([...args]), command);
  });
}

for (
  const args of [["--help"], ["-h"], ["--version"], ["-V"], ["probe", "--help"]]
) {
  programTest(
    `echoserver ${args.join(" ")} writes to standard output and exits 0`,
    async () => {
      const { code, stdout, stderr } = await run(args);
      assert.deepEqual([code, stderr], [0, ""]);
      if (args[0] === "probe") assert.equal(stdout, `${probeHelp()}\n`);
      else if (args[0]!.startsWith("-h") || args[0] === "--help") {
        assert.equal(stdout, `${help()}\n`);
      } else assert.match(stdout, /^echoserver \d+\.\d+\.\d+ .*\n$/);
    },
  );
}

programTest({
  name: "echoserver says in one line that it cannot print, and exits 1",
  ignore: Deno.build.os !== "linux",
}, async () => {
  const under = ["sh", "-c", 'exec "$0" "$@" > /dev/full'];
  for (const args of [["--help"], ["--version"], ["probe", "--help"]]) {
    const { code, stderr } = await run(args, { under });
    assert.equal(code, 1);
    assert.equal(stderr, "echoserver: Cannot print: No space left on device\n");
  }
});

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

programTest("echoserver says that its port is taken, and exits 1", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  assert.equal(
    await failure(["--host", "127.0.0.1", "--port", `${port}`]),
    `error Cannot listen on 127.0.0.1:${port}: the port is already in use`,
  );
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
    [
      ["--host", "no!host"],
      "Cannot listen on no!host:1050: the host is not a valid name",
    ],
    [
      ["--host", NO_NAME],
      `Cannot listen on ${NO_NAME}:1050: the name does not resolve`,
    ],
  ] as const
) {
  programTest(
    `echoserver says that it cannot listen on ${JSON.stringify(args[1])}`,
    async () => {
      const said = await failure([...args]);
      assert.ok(said.startsWith(`error ${error}`), said);
    },
  );
}

programTest({
  name: "echoserver says that --allow-net is missing, and exits 1",
  ignore: EXECUTABLE !== undefined,
}, async () => {
  assert.equal(
    await failure([], []),
    "error Cannot listen on 0.0.0.0:1050: permission missing, run again with --allow-net",
  );
});

programTest({
  name: "echoserver says with --workers that --allow-read is missing",
  ignore: EXECUTABLE !== undefined,
}, async () => {
  const said = await failure(["--workers", "2"], ["--allow-net"]);
  assert.match(said, /^error Cannot start workers: .*--allow-read$/);
});

programTest({
  name: "echoserver says with --workers that --unstable-net is missing",
  ignore: EXECUTABLE !== undefined || Deno.build.os !== "linux",
}, async () => {
  const permissions = ["--no-config", "--allow-net", "--allow-read"];
  const said = await failure(["--workers", "2"], permissions);
  assert.match(said, /^error Cannot start workers: .*--unstable-net$/);
});

programTest("echoserver says as JSON that it cannot start", async () => {
  const { code, stderr } = await run(
    ["--log-format", "json", "--host", "192.0.2.1"],
  );
  assert.equal(code, 1);
  const { level, event, reason } = JSON.parse(stderr);
  assert.deepEqual([level, event], ["error", "failure"]);
  assert.match(reason, /not one of this machine$/);
});

programTest(
  "echoserver needs nothing but --allow-net, and does not ask",
  async () => {
    await using program = await Program.listening();
    program.kill("SIGTERM");
    const { code, stdout, stderr } = await program.ended();
    assert.deepEqual([code, stdout], [0, ""]);
    assert.doesNotMatch(stderr, /allow-|prompt|granted/i);
  },
);
