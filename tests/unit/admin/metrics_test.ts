import assert from "node:assert/strict";
import fc from "fast-check";
import { metrics } from "../../../lib/admin/metrics.ts";
import type { AdminSnapshot } from "../../../lib/admin/source.ts";
import {
  Counters,
  ENDINGS,
  REJECT_REASONS,
} from "../../../lib/telemetry/counters.ts";
import { FakeAdminSource } from "../../support/fake_admin_source.ts";
import { PROGRAM } from "../../support/program.ts";

const PROMTOOL = PROGRAM && await runs("promtool");

if (PROGRAM && !PROMTOOL) {
  console.log(
    "The check of the metrics is ignored: promtool is not installed.",
  );
}

const BUILD = { name: "echo", version: "1.2.3" };
const TCP = "tcp://127.0.0.1:1050";

function snapshotOf(counters: Counters, listener = TCP): AdminSnapshot {
  return {
    listeners: [{ listener, ...counters.snapshot() }],
    restarts: 4,
  };
}

/** The value of a sample. */
function valueOf(text: string, sample: string): number | undefined {
  const line = text.split("\n").find((line) => line.startsWith(`${sample} `));
  return line === undefined ? undefined : Number(line.slice(sample.length + 1));
}

/** A line, in which LABEL stands for any label's value. */
function matching(line: string): RegExp {
  const pattern = line.replace(/[{}.]/g, "\\$&")
    .replace("LABEL", String.raw`(?:[^"\\\n]|\\["\\n])*`);
  return new RegExp(`(?:^|\n)echoserver_${pattern}\n`);
}

function unescape(label: string): string {
  return label.replace(/\\(.)/g, (_, after) => after === "n" ? "\n" : after);
}

Deno.test("metrics tell every count, each with its listener", () => {
  const counters = new Counters();
  for (let i = 0; i < 4; i++) counters.accept();
  counters.close("reset", 0.5, 30, 20);
  counters.reject("proxy");
  counters.datagramIn(7);
  counters.datagramIn(0);
  counters.datagramOut(5);
  const text = metrics(BUILD, snapshotOf(counters));
  for (
    const [name, labels, value] of [
      ["connections_accepted_total", "", 4],
      ["connections_open", "", 2],
      ["connections_closed_total", ',ending="reset"', 1],
      ["connections_closed_total", ',ending="closed"', 0],
      ["connections_rejected_total", ',reason="proxy"', 1],
      ["connections_rejected_total", ',reason="access"', 0],
      ["received_bytes_total", "", 37],
      ["sent_bytes_total", "", 25],
      ["datagrams_received_total", "", 2],
      ["datagrams_sent_total", "", 1],
      ["connection_duration_seconds_sum", "", 0.5],
      ["connection_duration_seconds_count", "", 1],
    ] as const
  ) {
    const sample = `echoserver_${name}{listener="${TCP}"${labels}}`;
    assert.equal(valueOf(text, sample), value, sample);
  }
  assert.equal(valueOf(text, "echoserver_restarts_total"), 4);
  assert.equal(
    valueOf(text, 'echoserver_build_info{version="1.2.3",name="echo"}'),
    1,
  );
});

Deno.test("metrics name all endings and reasons from the start", () => {
  const text = metrics(BUILD, snapshotOf(new Counters()));
  const values = (label: string) =>
    [...text.matchAll(new RegExp(`${label}="(.*?)"`, "g"))].map((m) => m[1]);
  assert.deepEqual(values("ending"), [...ENDINGS]);
  assert.deepEqual(values("reason"), [...REJECT_REASONS]);
});

Deno.test("metrics: a bucket counts what the ones below it hold", () => {
  const counters = new Counters();
  for (const seconds of [0.0005, 0.5, 0.7, 5, 1e6]) {
    counters.close("closed", seconds, 0, 0);
  }
  const text = metrics(BUILD, snapshotOf(counters));
  const buckets = [...text.matchAll(/_bucket\{.*,le="(.*?)"\} (\d+)$/gm)]
    .map(([, le, count]) => [le, Number(count)]);
  assert.deepEqual(buckets, [
    ["0.001", 1],
    ["0.01", 1],
    ["0.1", 1],
    ["1", 3],
    ["10", 4],
    ["60", 4],
    ["300", 4],
    ["3600", 4],
    ["86400", 4],
    ["+Inf", 5],
  ]);
});

Deno.test("metrics escape any name", () => {
  const unit = fc.constantFrom('"', "\\", "\n", "\r", "\u2028", "n", "{", "é");
  fc.assert(fc.property(fc.string({ unit }), (name) => {
    const text = metrics({ ...BUILD, name }, snapshotOf(new Counters(), name));
    for (
      const [, escaped] of [
        text.match(matching(`build_info{version="1.2.3",name="(LABEL)"} 1`))!,
        text.match(matching(`connections_open{listener="(LABEL)"} 0`))!,
      ]
    ) {
      assert.equal(unescape(escaped!), name);
    }
  }));
});

Deno.test({
  name: "metrics pass promtool's check",
  ignore: !PROMTOOL,
  fn: async () => {
    const name = 'a "name"\n\\ with all';
    const texts = [
      metrics(BUILD, { listeners: [], restarts: 0 }),
      metrics({ ...BUILD, name }, await new FakeAdminSource().snapshot()),
      metrics(BUILD, snapshotOf(new Counters(), `unix:/run/${name}`)),
    ];
    for (const text of texts) assert.deepEqual(await check(text), [0, ""]);
  },
});

/** What promtool says, and its exit code. */
async function check(text: string): Promise<[number, string]> {
  await using promtool = new Deno.Command("promtool", {
    args: ["check", "metrics"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const input = new Blob([text]).stream().pipeTo(promtool.stdin);
  const [{ code, stdout, stderr }] = await Promise.all([
    promtool.output(),
    input,
  ]);
  const decoder = new TextDecoder();
  return [code, decoder.decode(stdout) + decoder.decode(stderr)];
}

/** Whether a command is there. */
async function runs(command: string): Promise<boolean> {
  try {
    const program = new Deno.Command(command, { args: ["--version"] });
    return (await program.output()).success;
  } catch {
    return false;
  }
}
