import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import {
  LogQueue,
  queuedLogger,
  type WriteBytes,
} from "../../../lib/telemetry/log_queue.ts";
import { EXECUTABLE, inTime, programTest } from "../../support/program.ts";

/** Milliseconds: longer than any of this takes, on any machine. */
const LONG = 86_400_000;

/** A sink that takes nothing unless it is told to. */
class Sink {
  /** What it has taken. */
  taken = "";
  /** How much each write was of. */
  readonly asked: number[] = [];
  /** Bytes that one write takes. */
  most = Infinity;
  #open: Promise<void>;
  #resolve!: () => void;
  #failures: unknown[] = [];

  constructor(open = true) {
    this.#open = new Promise((resolve) => this.#resolve = resolve);
    if (open) this.open();
  }

  open(): void {
    this.#resolve();
  }

  /** The next writes fail. */
  fail(...errors: unknown[]): void {
    this.#failures.push(...errors);
  }

  readonly write: WriteBytes = async (bytes) => {
    this.asked.push(bytes.length);
    await this.#open;
    await turn();
    if (this.#failures.length > 0) throw this.#failures.shift();
    const part = bytes.subarray(0, this.most);
    this.taken += new TextDecoder().decode(part);
    return part.length;
  };
}

function queueTo(sink: Sink, limit?: number) {
  const dropped: number[] = [];
  const queue = new LogQueue({
    write: sink.write,
    onDropped: (lines) => {
      dropped.push(lines);
      queue.write(`${lines} dropped`);
    },
    ...limit !== undefined && { limit },
  });
  return { queue, dropped };
}

Deno.test("LogQueue writes all lines in order, whatever a write takes", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ unit: "binary", maxLength: 40 })),
      fc.integer({ min: 1, max: 100 }),
      async (words, most) => {
        const lines = words.map((word) => word.toWellFormed());
        const parts: Uint8Array[] = [];
        const queue = new LogQueue({
          write: (bytes) => {
            parts.push(bytes.slice(0, most));
            return Promise.resolve(Math.min(most, bytes.length));
          },
          onDropped: () => assert.fail(),
        });
        lines.forEach(queue.write);
        await queue.flush(LONG);
        const written = await new Blob(parts as BlobPart[]).arrayBuffer();
        assert.deepEqual(
          new Uint8Array(written),
          new TextEncoder().encode(lines.map((line) => `${line}\n`).join("")),
        );
      },
    ),
    { numRuns: 50 },
  ));

Deno.test("LogQueue puts many lines in one write, but no more than a pipe takes at once", async () => {
  const sink = new Sink();
  const { queue } = queueTo(sink);
  const lines = Array.from(
    { length: 200 },
    (_, i) => `line ${i} ${"é".repeat(30)}`,
  );
  lines.forEach(queue.write);
  await queue.flush(LONG);
  assert.equal(sink.taken, lines.map((line) => `${line}\n`).join(""));
  assert.ok(sink.asked.length < 10, `${sink.asked.length} writes`);
  assert.ok(Math.max(...sink.asked) <= 4096);
});

Deno.test("LogQueue writes a line that is longer than a batch", async () => {
  const sink = new Sink();
  const { queue } = queueTo(sink);
  const long = "x".repeat(10_000);
  for (const line of ["one", long, "two"]) queue.write(line);
  await queue.flush(LONG);
  assert.equal(sink.taken, `one\n${long}\ntwo\n`);
});

Deno.test("LogQueue drops what does not fit, and tells how much once it flows again", async () => {
  const sink = new Sink(false);
  const { queue, dropped } = queueTo(sink, 100);
  for (let i = 0; i < 25; i++) queue.write("ten chars.");
  await turn();
  queue.write("");
  assert.deepEqual(dropped, []);
  sink.open();
  await queue.flush(LONG);
  assert.deepEqual(dropped, [16]);
  assert.equal(sink.taken, "ten chars.\n".repeat(10) + "16 dropped\n");
  queue.write("on");
  await queue.flush(LONG);
  assert.ok(sink.taken.endsWith("16 dropped\non\n"));
});

Deno.test("LogQueue drops each episode's lines as one, not one for each line that goes out", async () => {
  const sink = new Sink();
  const { queue, dropped } = queueTo(sink, 40_000);
  for (let i = 0; i < 200; i++) {
    for (let j = 0; j < 20; j++) queue.write("x".repeat(1000));
    await turn();
  }
  await queue.flush(LONG);
  const written = sink.taken.match(/^x{1000}$/gm)!.length;
  assert.equal(written + dropped.reduce((sum, lines) => sum + lines), 4000);
  assert.ok(dropped.length < written / 10, `${dropped.length} for ${written}`);
});

Deno.test("LogQueue survives a sink that fails, and tells what that cost", async () => {
  const sink = new Sink();
  const { queue, dropped } = queueTo(sink);
  sink.fail(new Deno.errors.BrokenPipe(), new Error(), undefined);
  for (let i = 0; i < 3; i++) {
    queue.write(`lost ${i}`);
    queue.write(`lost too ${i}`);
    await queue.flush(LONG);
  }
  assert.deepEqual([sink.taken, dropped], ["", []]);
  queue.write("on");
  await queue.flush(LONG);
  assert.deepEqual(dropped, [6]);
  assert.equal(sink.taken, "on\n6 dropped\n");
});

Deno.test("LogQueue cuts no line when the sink fails in the middle of one", async () => {
  const sink = new Sink();
  const dropped: number[] = [];
  let writes = 0;
  const queue = new LogQueue({
    write: (bytes) => {
      sink.most = ++writes === 1 ? "one\ntw".length : Infinity;
      if (writes === 2 || writes === 3) sink.fail(new Error("disk full"));
      return sink.write(bytes);
    },
    onDropped: (lines) => dropped.push(lines),
  });
  for (const line of ["one", "two", "three"]) queue.write(line);
  await queue.flush(LONG);
  queue.write("lost");
  await queue.flush(LONG);
  queue.write("four");
  await queue.flush(LONG);
  assert.equal(sink.taken, "one\ntwo\nfour\n");
  assert.deepEqual(dropped, [2]);
});

Deno.test("LogQueue tries again when the sink cannot take anything at present", async () => {
  const sink = new Sink();
  const { queue, dropped } = queueTo(sink);
  sink.fail(new Deno.errors.WouldBlock(), new Deno.errors.WouldBlock());
  queue.write("one");
  queue.write("two");
  await queue.flush(LONG);
  assert.deepEqual([sink.taken, dropped], ["one\ntwo\n", []]);
});

Deno.test("LogQueue waits for a sink that takes nothing no longer than it may", async () => {
  const sink = new Sink(false);
  const { queue } = queueTo(sink);
  await queue.flush(LONG);
  queue.write("one");
  await queue.flush(5);
  assert.equal(sink.taken, "");
  sink.open();
  await queue.flush(LONG);
  assert.equal(sink.taken, "one\n");
});

Deno.test("queuedLogger tells of dropped lines in the format of the others", async () => {
  const sink = new Sink(false);
  const log = queuedLogger({ format: "json", now: () => 0 }, sink.write);
  const reason = "x".repeat(10_000);
  for (let i = 0; i < 200; i++) log.onEvent({ type: "failure", reason });
  sink.open();
  await log.flush(LONG);
  const lines = sink.taken.trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  const told = lines.pop();
  assert.deepEqual(told, {
    time: "1970-01-01T00:00:00.000Z",
    level: "warning",
    event: "dropped",
    message: `${200 - lines.length} log lines dropped`,
    lines: 200 - lines.length,
  });
  assert.ok(lines.length > 10 && lines.length < 190);
});

/** A server that logs every connection to standard error. */
const SERVER = `
  import { EchoServer } from "${import.meta.resolve("../../../lib/mod.ts")}";
  import { queuedLogger } from "${
  import.meta.resolve("../../../lib/telemetry/log_queue.ts")
}";
  const write = (bytes) => Deno.stderr.write(bytes);
  const log = queuedLogger({ verbosity: "verbose" }, write);
  const reason = "a long line, and many of them: " + "x".repeat(1000);
  for (let i = 0; i < 10_000; i++) log.onEvent({ type: "failure", reason });
  const server = await EchoServer.start({
    port: 0,
    host: "127.0.0.1",
    onEvent: log.onEvent,
  });
  const conn = await Deno.connect(server.addr);
  await conn.write(new TextEncoder().encode("hello\\n"));
  await conn.read(new Uint8Array(6));
  conn.close();
  await server.shutdown();
  console.log("served");
  const start = performance.now();
  await log.flush(1000);
  console.log("flushed", performance.now() - start);
  Deno.exit(0);
`;

programTest({
  name: "a log that nobody reads stops neither a server nor its exit",
  ignore: EXECUTABLE !== undefined,
}, async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--ext=ts", SERVER],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  try {
    const stdout = new Response(child.stdout).text();
    const { code } = await inTime("the program to end", child.status);
    const [served, flushed] = (await stdout).split("\n");
    assert.deepEqual([code, served], [0, "served"]);
    const milliseconds = Number(flushed?.replace("flushed ", ""));
    assert.ok(milliseconds > 900, flushed);
  } finally {
    await child.stderr.cancel();
  }
});
