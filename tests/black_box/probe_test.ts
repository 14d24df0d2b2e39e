/**
 * The command `echoserver probe`, as its user sees it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { MisbehavingServer } from "../support/misbehaving_server.ts";
import { NO_NAME, nobody } from "../support/ports.ts";
import {
  type Ended,
  GUARD,
  PROGRAM,
  Program,
  run,
  succeeds,
} from "../support/program.ts";

const ignore = !PROGRAM;

/** Runs a probe to its end. */
function probe(...args: string[]): Promise<Ended> {
  return run(["probe", ...args]);
}

Deno.test({
  name: "probe proves the server, and its report steers no terminal",
  ignore,
}, async () => {
  await using server = await Program.listening();
  const address = `127.0.0.1:${server.port}`;
  const { code, stdout, stderr } = await probe("-n", "1000", address);
  assert.equal(code, 0);
  assert.equal(stderr, "");
  for (const row of ["p50", "p90", "p99"]) {
    assert.match(stdout, new RegExp(`^ *${row} +[0-9.]+ (µs|ms|s)$`, "m"));
  }
  assert.match(stdout, /OK: all 1,000 lines came back right\n$/);
  // deno-lint-ignore no-control-regex -- they are what must not be there
  assert.doesNotMatch(stdout, /[\0-\x09\x0b-\x1f\x7f]/);
  assert(stdout.split("\n").every((line) => [...line].length <= 80));
});

Deno.test({
  name: "probe writes its report as one JSON object",
  ignore,
}, async () => {
  await using server = await Program.listening();
  const address = `127.0.0.1:${server.port}`;
  const { code, stdout } = await probe(
    ...["--json", "-c", "3", "-r", "200", "-n", "50", "--size", "100"],
    ...["--in-flight", "2", "--timeout", "20", address],
  );
  assert.equal(code, 0);
  const report = JSON.parse(stdout);
  assert.equal(report.target, `tcp://${address}`);
  assert.equal(report.lines, 50);
  assert.equal(report.bytes, 5000);
  assert.equal(report.connections, 3);
  assert.equal(report.ok, true);
  const times = ["min", "p50", "p90", "p99", "p99_9", "max", "mean"];
  for (const key of ["latency_ms", "uncorrected_latency_ms", "connect_ms"]) {
    assert.deepEqual(Object.keys(report[key]), times);
  }
});

Deno.test({
  name: "probe of one line, as in a health check, ends with its answer",
  ignore,
}, async () => {
  await using server = await MisbehavingServer.start((line, _, peer) => {
    peer.send(line);
  });
  const args = ["-n", "1", "-c", "1", "--timeout", "3600"];
  const { code, stdout } = await probe(...args, server.address);
  assert.equal(code, 0, stdout);
});

Deno.test({
  name: "probe exits with 1 where nobody listens, and where a name is none",
  ignore,
}, async () => {
  const refused = await probe("-n", "1", nobody());
  assert.equal(refused.code, 1);
  assert.match(refused.stdout, /FAILED: no line came back: Connection refused/);
  const unknown = await probe("-n", "1", `${NO_NAME}:7`);
  assert.equal(unknown.code, 1);
  assert.equal(unknown.stdout, "");
  assert.match(unknown.stderr, /^echoserver: Cannot connect to [^\n]+\n$/);
});

Deno.test({
  name: "probe exits with 1 if the 99th percentile is above its limit",
  ignore,
}, async () => {
  await using server = await Program.listening();
  const args = ["-n", "50", `127.0.0.1:${server.port}`];
  assert.equal((await probe("--max-p99", "60000", ...args)).code, 0);
  const { code, stdout } = await probe("--max-p99", "0.001", ...args);
  assert.equal(code, 1);
  assert.match(stdout, /FAILED: p99 is .*, above 1\.00 µs\n$/);
});

Deno.test({
  name: "probe exits with 2 if it is used wrong",
  ignore,
}, async () => {
  for (const args of [[], ["-n", "0", "localhost:7"], ["localhost"]]) {
    const { code, stdout, stderr } = await probe(...args);
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /^echoserver: [^\n]+\n$/);
  }
});

Deno.test({
  name: "probe ends at Ctrl-C with the report of what was seen",
  ignore: ignore || Deno.build.os === "windows",
}, async () => {
  const seen = Promise.withResolvers<void>();
  await using server = await MisbehavingServer.start((line, number, peer) => {
    if (number < 20) peer.send(line);
    else seen.resolve();
  });
  const args = ["probe", "-c", "1", "-d", "3600", "--timeout", "3600"];
  await using program = Program.spawn([...args, server.address]);
  await seen.promise;
  program.kill("SIGINT");
  const { code, stdout } = await program.ended();
  assert.equal(code, 0);
  assert.match(stdout, /stopped early/);
  assert.match(stdout, /OK: all 20 lines came back right\n$/);
});

/**
 * Other echo servers, how they say that they listen, and what shows that they
 * are installed.
 */
const OTHERS = {
  socat: {
    args: ["-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1,fork,reuseaddr", "PIPE"],
    ready: /listening on .*:(\d+)\n/,
    ask: "-V",
  },
  ncat: {
    args: ["-v", "-l", "-k", "--exec", "/bin/cat", "127.0.0.1", "PORT"],
    ready: /Listening on 127\.0\.0\.1:(\d+)\n/,
    ask: "--version",
  },
};

for (const [name, { args, ready, ask }] of Object.entries(OTHERS)) {
  Deno.test({
    name: `probe proves ${name}`,
    ignore: ignore || !await succeeds(name, ask),
  }, async () => {
    const port = nobody().split(":")[1]!;
    const words = args.map((word) => word === "PORT" ? port : word);
    await using server = Program.other(name, words);
    const [, bound] = await server.saw(ready);
    const { code, stdout } = await probe(
      ...["--json", "-c", "2", "-n", "200", "--in-flight", "8"],
      ...["--timeout", `${GUARD / 1000}`, `127.0.0.1:${bound}`],
    );
    assert.equal(code, 0, stdout);
    assert.equal(JSON.parse(stdout).lines, 200);
  });
}
