import assert from "node:assert/strict";
import type { ProbeSettings } from "../../../lib/probe/options.ts";
import { progressLine } from "../../../lib/probe/progress_line.ts";
import { RateSeries } from "../../../lib/probe/rate_series.ts";
import { reportOf } from "../../../lib/probe/report.ts";
import type { ProbeResult } from "../../../lib/probe/runner.ts";
import { Tally } from "../../../lib/probe/tally.ts";
import { textReport } from "../../../lib/probe/text_report.ts";
import { judged, verdictOf } from "../../../lib/probe/verdict.ts";

// deno-lint-ignore no-control-regex -- they are what must not be there
const CONTROLS = /[\0-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]/;

const SETTINGS: ProbeSettings = {
  connections: 10,
  rate: 0,
  duration: 10,
  inFlight: 1,
  count: undefined,
  size: 64,
  reconnect: false,
  timeout: 5,
  greeting: false,
  seed: 1,
};

/** What a probe of ten seconds has found. */
function result(
  { scheduled = false, lines = 1000, aborted = false, complete = true } = {},
  fail: (tally: Tally) => void = () => {},
): ProbeResult {
  const tally = new Tally(scheduled);
  const rates = new RateSeries(0);
  tally.connections = 10;
  for (let i = 1; i <= lines; i++) {
    tally.right(0, i % 10 / 10, (i % 100 + 1) / 10);
    if (i % 20 === 0) rates.sample(i, i * 10);
  }
  for (let i = 0; i < 10; i++) tally.connects.record(0.2);
  fail(tally);
  const about = {
    target: "tcp://127.0.0.1:1050",
    size: 64,
    seconds: 10,
    greeting: tally.greetings.size > 0,
    complete,
    aborted,
  };
  return { report: reportOf(tally, about), tally, rates };
}

function columnsOf(text: string): number {
  return Math.max(...text.split("\n").map((line) => [...line].length));
}

Deno.test("The text report has totals, percentiles, drawings and a verdict", () => {
  const text = textReport(result(), SETTINGS, { width: 80, colour: false });
  assert.match(text, /^Probe of tcp:\/\/127\.0\.0\.1:1050\n/);
  assert.match(text, /^Lines +1,000 {2}100\/s, 6\.40 kB\/s$/m);
  assert.match(text, /^Connections +10 {2}opened in 200 µs \(median\)/m);
  assert.match(text, /^Errors +none$/m);
  assert.match(text, /no schedule/);
  for (const row of ["p50", "p90", "p99", "p99.9", "max"]) {
    assert.match(text, new RegExp(`^ *${row} +[0-9.]+ (µs|ms)$`, "m"));
  }
  assert.match(text, /^Rate +[▁▂▃▄▅▆▇█]+ {2}up to/m);
  assert.equal(
    text.match(/^ +[0-9.]+ (µs|ms) [▏▎▍▌▋▊▉█]* ?[\d,]+$/gm)?.length,
    12,
  );
  assert.match(text, /\n✔ OK: all 1,000 lines came back right\n$/);
});

Deno.test("The text report fits its width, and steers no terminal", () => {
  const scheduled = result({ scheduled: true }, (tally) => {
    tally.error("wrong", "connection 1: line 7 differs at byte 12", 12345);
    tally.error("timeout", "second", 6789);
  });
  for (const width of [80, 60]) {
    const options = { width, colour: false };
    const text = textReport(scheduled, { ...SETTINGS, rate: 100 }, options);
    assert(columnsOf(text) <= width, text);
    assert.doesNotMatch(text, CONTROLS);
  }
});

Deno.test("The text report lets no name, path or error steer a terminal", () => {
  const steering = "a\n\x1b[31m\x9b2J\u2028b";
  const greeted = result({}, (tally) => tally.greeted(steering));
  const missing = result({ lines: 0 }, (tally) => {
    tally.error("refused", `there is no socket ${steering}`);
  });
  for (const found of [greeted, missing]) {
    found.report.target = `unix:${steering}`;
    const text = textReport(found, SETTINGS, { width: 80, colour: false });
    assert.doesNotMatch(text, CONTROLS);
    assert(
      text.startsWith("Probe of unix:a\\u000a\\u001b[31m\\u009b2J\\u2028b\n"),
    );
    assert(!text.includes("a\n"));
  }
});

Deno.test("The text report shows both latencies where there is a rate", () => {
  const settings = { ...SETTINGS, rate: 100 };
  const options = { width: 80, colour: false };
  const text = textReport(result({ scheduled: true }), settings, options);
  assert.match(text, /^Latency +from due +from sent$/m);
  assert.match(text, /^ *p99( +[0-9.]+ (µs|ms)){2}$/m);
});

Deno.test("The text report has colours only where they are wanted", () => {
  const wrapped = result({}, (tally) => {
    tally.error("wrong", "a word of it that ".repeat(20));
  });
  for (const found of [result(), wrapped]) {
    const plain = textReport(found, SETTINGS, { width: 80, colour: false });
    const coloured = textReport(found, SETTINGS, { width: 80, colour: true });
    assert.notEqual(coloured, plain);
    // deno-lint-ignore no-control-regex -- they are what is looked for
    assert.equal(coloured.replace(/\x1b\[[0-9;]*m/g, ""), plain);
  }
});

Deno.test("The text report of nothing is short", () => {
  const nothing = result({ lines: 0 }, (tally) => {
    tally.error("refused", "Connection refused", 10);
  });
  const text = textReport(nothing, SETTINGS, { width: 80, colour: false });
  assert.match(text, /^Errors +10 refused$/m);
  assert.doesNotMatch(text, /p50/);
  assert.match(text, /✘ FAILED: no line came back: Connection refused\n$/);
});

Deno.test("The text report says that a rate was not reached", () => {
  const options = { width: 80, colour: false };
  const report = (rate: number, wrong = 0) => {
    const found = result({ scheduled: true }, (tally) => {
      tally.error("wrong", "byte 5", wrong);
    });
    return textReport(found, { ...SETTINGS, rate }, options);
  };
  assert.match(report(2000), /^Lines .*\/s; 2,000\/s was not reached$/m);
  assert.doesNotMatch(report(100), /reached/);
  // Lines that are wrong were sent, too.
  assert.doesNotMatch(report(2000, 1), /reached/);
});

Deno.test("The report names who answered in the order of their names", () => {
  const { report } = result({}, (tally) => {
    for (const name of ["two", "one", "two", "10"]) tally.greeted(name);
  });
  assert.deepEqual(Object.entries(report.greetings!), [
    ["10", 1],
    ["one", 1],
    ["two", 2],
  ]);
});

Deno.test("The text report hints at what may help", () => {
  const noAnswer = result({ lines: 0 }, (tally) => {
    tally.error("wrong", "connection 1: a greeting came in place of line 0");
  });
  assert.match(
    textReport(noAnswer, SETTINGS, { width: 80, colour: false }),
    /in place of line 0\s+\(try --greeting\)\n$/,
  );
});

Deno.test("What is judged says why it failed, and that it was stopped", () => {
  const { ok, failure } = judged(result().report, 5);
  assert.deepEqual([ok, failure], [false, "p99 is 9.91 ms, above 5.00 ms"]);
  const good = judged(result().report);
  assert.equal(good.ok, true);
  assert(!("failure" in good) && !("stopped_early" in good));
  assert.equal(judged(result({ aborted: true }).report).stopped_early, true);
});

Deno.test("The verdict names errors, the limit, and what ended early", () => {
  assert.deepEqual(verdictOf(result().report), {
    ok: true,
    text: "all 1,000 lines came back right",
  });
  assert.equal(
    verdictOf(result().report, 10).text,
    "all 1,000 lines came back right, p99 within 10.0 ms",
  );
  assert.deepEqual(verdictOf(result().report, 5), {
    ok: false,
    text: "p99 is 9.91 ms, above 5.00 ms",
  });
  const wrong = result({}, (tally) => tally.error("wrong", "byte 5", 3));
  assert.deepEqual(verdictOf(wrong.report), {
    ok: false,
    text: "3 wrong; first: byte 5",
  });
  assert.deepEqual(verdictOf(result({ complete: false }).report), {
    ok: false,
    text: "all connections ended early, after 1,000 lines",
  });
  assert.equal(verdictOf(result({ lines: 0, aborted: true }).report).ok, false);
});

Deno.test("The progress line fits the terminal, and is written in its place", () => {
  const progress = {
    seconds: 3,
    secondsLeft: 7,
    lines: 1_000_000,
    linesPerSecond: 333_333,
    p50: 0.08,
    p99: 1.25,
    errors: 1,
  };
  const line = progressLine(progress, 80);
  assert.match(line, /^\r +333,333\/s {2}p50 80\.0 µs +p99 1\.25 ms +1 error /);
  assert(line.endsWith("7 s left  ━━━━────────\x1b[K"));
  for (const columns of [80, 40, 20]) {
    assert([...progressLine(progress, columns)].length - 4 <= columns - 3);
  }
});
