import assert from "node:assert/strict";
import type { ProbeCommand } from "../../../lib/cli/command.ts";
import {
  probeCommand,
  type ProbeSurroundings,
  type Screen,
} from "../../../lib/cli/probe.ts";
import {
  changed,
  MisbehavingServer,
} from "../../support/misbehaving_server.ts";
import { NO_NAME } from "../../support/ports.ts";
import { netTest } from "../../support/program.ts";

/** Keeps what is written. */
class Paper implements Screen {
  text = "";
  readonly #columns: number | undefined;
  readonly #onWrite: () => void;

  constructor(columns?: number, onWrite: () => void = () => {}) {
    this.#columns = columns;
    this.#onWrite = onWrite;
  }

  write(text: string): void {
    this.text += text;
    this.#onWrite();
  }

  columns(): number | undefined {
    return this.#columns;
  }
}

/** Runs the command at a terminal until it shows how it goes. */
function ranUntilProgress(columns: number): ReturnType<typeof ran> {
  const stop = new AbortController();
  const stderr = new Paper(columns, () => stop.abort());
  const options = { connections: 1, duration: 3600, rate: 100 };
  return ran({ options, columns }, { stderr, signal: stop.signal });
}

/** Runs the command on a server that is right but for line `wrong`. */
async function ran(
  { columns, wrong, noColor = false, ...command }: Partial<ProbeCommand> & {
    columns?: number;
    wrong?: number;
    noColor?: boolean;
  },
  { stderr = new Paper(columns), ...surroundings }: ProbeSurroundings & {
    stderr?: Paper;
  } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  await using server = await MisbehavingServer.start((line, number, peer) => {
    peer.send(number === wrong ? changed(line, 5) : line);
  });
  const stdout = new Paper(columns);
  const code = await probeCommand({
    name: "probe",
    address: server.address,
    options: { connections: 1, count: 50 },
    json: false,
    ...command,
  }, { stdout, stderr, noColor, ...surroundings });
  return { code, stdout: stdout.text, stderr: stderr.text };
}

netTest(
  "probeCommand writes the report alone where there is no terminal",
  async () => {
    const { code, stdout, stderr } = await ran({});
    assert.equal(code, 0);
    assert.equal(stderr, "");
    assert.match(stdout, /✔ OK: all 50 lines came back right\n$/);
    assert(!stdout.includes("\x1b") && !stdout.includes("\r"));
  },
);

netTest(
  "probeCommand shows progress on a terminal, and takes it away",
  async () => {
    const { stdout, stderr } = await ranUntilProgress(80);
    assert.match(stderr, /^\r +[0-9.]+\/s {2}p50 .* 3600 s left/);
    assert(stderr.endsWith("\r\x1b[K"));
    assert(!stderr.includes("\n"));
    assert(stdout.includes("\x1b[32m✔ OK"));
  },
);

netTest("probeCommand has no colours if they are unwanted", async () => {
  const { stdout } = await ran({ columns: 80, noColor: true });
  assert(!stdout.includes("\x1b"));
});

netTest("probeCommand writes one JSON object, and nothing else", async () => {
  const { code, stdout } = await ran({ json: true });
  assert.equal(code, 0);
  assert.equal(stdout.indexOf("\n"), stdout.length - 1);
  assert.deepEqual(Object.keys(JSON.parse(stdout)), [
    ...["target", "lines", "lines_per_second", "bytes", "connections"],
    ...["errors", "latency_ms", "connect_ms", "seconds", "ok"],
  ]);
  const rated = await ran({
    json: true,
    options: { connections: 1, count: 5, rate: 1000 },
  });
  assert.equal(JSON.parse(rated.stdout).uncorrected_latency_ms.p50 > 0, true);
});

netTest("probeCommand escapes what could steer a terminal", async () => {
  const name = "a\x1b[31m\x9b2J\x7f\u2028b";
  for (const json of [false, true]) {
    const stdout = new Paper();
    await using server = await MisbehavingServer.start(
      (line, _, { send }) => send(line),
      {
        onConnection: ({ send }) => {
          send(new TextEncoder().encode(`${JSON.stringify({ name })}\n`));
        },
      },
    );
    await probeCommand({
      name: "probe",
      address: server.address,
      options: { connections: 1, count: 1, greeting: true },
      json,
    }, { stdout });
    // deno-lint-ignore no-control-regex -- they are what must not be there
    assert.doesNotMatch(stdout.text, /[\0-\x09\x0b-\x1f\x7f-\x9f\u2028]/);
    if (json) {
      assert.deepEqual(JSON.parse(stdout.text).greetings, { [name]: 1 });
    }
  }
});

netTest("probeCommand fails if a line is wrong", async () => {
  const text = await ran({ wrong: 7 });
  assert.equal(text.code, 1);
  assert.match(
    text.stdout,
    /✘ FAILED: 1 wrong; first: connection 1: line 7/,
  );
  const json = await ran({ wrong: 7, json: true });
  assert.equal(json.code, 1);
  assert.equal(JSON.parse(json.stdout).ok, false);
});

netTest(
  "probeCommand fails if the 99th percentile is above its limit",
  async () => {
    assert.equal((await ran({ maxP99: 60_000 })).code, 0);
    const slow = await ran({ maxP99: 0.0001 });
    assert.equal(slow.code, 1);
    assert.match(slow.stdout, /✘ FAILED: p99 is .*, above 0\.10 µs\n$/);
    const json = await ran({ maxP99: 0.0001, json: true });
    const { ok, failure } = JSON.parse(json.stdout);
    assert.equal(ok, false);
    assert.match(failure, /^p99 is .*, above 0\.10 µs$/);
  },
);

netTest("probeCommand takes 0 columns for a terminal of 80", async () => {
  const { stdout, stderr } = await ranUntilProgress(0);
  assert.match(stdout, /^.{60,}$/m);
  assert.match(stderr, /p50 .* p99 .* 3600 s left/);
});

netTest("probeCommand says in one line what cannot be", async () => {
  const { code, stdout, stderr } = await ran({ address: `${NO_NAME}:7` });
  assert.equal(code, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /^echoserver: Cannot connect to [^\n]+\n$/);
  const missing = await ran({ caCertFile: "/no/such.pem" });
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^echoserver: Cannot read the certificate \/no/);
  const steering = await ran({ caCertFile: "/no\n\x1b[31m" });
  assert.match(
    steering.stderr,
    /the certificate \/no\\u000a\\u001b\[31m: [^\n]+\n$/,
  );
});

netTest(
  "probeCommand ends early with the report of what was seen",
  async () => {
    const stop = new AbortController();
    await using server = await MisbehavingServer.start((line, number, peer) => {
      if (number < 20) peer.send(line);
      else stop.abort();
    });
    const stdout = new Paper();
    const code = await probeCommand({
      name: "probe",
      address: server.address,
      options: { connections: 1 },
      json: false,
    }, { stdout, stderr: new Paper(), signal: stop.signal });
    assert.equal(code, 0);
    assert.match(stdout.text, /^Time .* stopped early$/m);
    assert.match(stdout.text, /all 20 lines came back right/);
  },
);
