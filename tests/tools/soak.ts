/**
 * Hours of trouble, or seconds: hurts the real program in every way a network
 * can, checks every byte that comes back, measures what it costs the others,
 * and judges. Exit 0 if the server is sound, 1 if not.
 *
 *     deno task soak --minutes 10
 *     deno task soak --seconds 20 --seed 1
 *
 * @module
 */

import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { anyClient } from "../support/any_client.ts";
import type { Watched } from "../support/bystander.ts";
import { Client, connectAll, reset } from "../support/client.ts";
import { Program } from "../support/program.ts";
import { Random } from "../support/random.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * Milliseconds that an honest client may wait at any time, and while others are
 * stuck because they do not read.
 */
const DELAY = 250;
const DELAY_STUCK = 100;

/**
 * Bytes that a client sends that never reads: more than it takes to fill a
 * connection's queues in the kernel, but not so many that 200 of them take all
 * the memory that the kernel has for sockets.
 */
const FILL = 4.5 * MIB;

/** Bytes of memory that a client that never reads may cost. */
const SLOW_CLIENT = 600 * KIB;

/**
 * Bytes of memory that the server may gain over a long time, or while one line
 * has no end.
 */
const GAIN = 48 * MIB;

/** Share of a core that idle clients may cost, all together. */
const IDLE_CPU = 0.01;

/**
 * Seconds by which a client may outlive its time-out: one sweep, and what the
 * machine is late.
 */
const SWEEP = 0.25;
const LATENESS = 0.25;

/** Seconds of mixed load at least, however short the run. */
const LEAST = 5;

/** Characters of a column. */
const COLUMN = 11;

/** Rows of the table of the mixed load at most. */
const ROWS = 20;

type Listening = Program & { port: number };

/** One line of the first table. */
interface Finding {
  fault: string;
  tried: number;
  lost: number;
  /** Worst delay of a bystander in milliseconds. */
  delay: number;
  /** What else was measured. */
  measured: string;
  /** What of it is not as it should be. */
  complaints: string[];
}

const { seconds, seed } = options();

async function main(): Promise<number> {
  const start = performance.now();
  const complaints: string[] = [];
  console.log(`${seconds} s, seed ${seed}\n`);

  tableHead("fault", "tried", "lost", "worst delay", "measured");
  for (
    const measure of [resets, slowReaders, endlessLine, idleCost, idleAccuracy]
  ) {
    const found = await measure();
    const delay = `${found.delay.toFixed(0)} ms`;
    tableRow(found.fault, found.tried, found.lost, delay, found.measured);
    if (found.lost > 0) found.complaints.push("something was lost");
    complaints.push(
      ...found.complaints.map((text) => `${found.fault}: ${text}`),
    );
  }
  console.log();
  const left = seconds - elapsed(start);
  complaints.push(...await mixedLoad(Math.max(LEAST, left)));

  console.log(`\nverdict: ${complaints.length === 0 ? "sound" : "NOT SOUND"}`);
  for (const complaint of complaints) console.log(`- ${complaint}`);
  return complaints.length === 0 ? 0 : 1;
}

function options(): { seconds: number; seed: number } {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string" },
      seconds: { type: "string" },
      seed: { type: "string" },
    },
  });
  const seconds = Number(values.seconds ?? Number(values.minutes ?? 1) * 60);
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  assert.ok(seconds > 0 && seed >= 0, "--minutes, --seconds and --seed");
  return { seconds, seed };
}

// Measurements

/** 5,000 resets of every kind. */
async function resets(): Promise<Finding> {
  await using program = await Program.listening();
  using bystander = await Bystander.of(program);
  const kinds: [string, number][] = [
    ["", 0],
    ["half", 0],
    ["whole\n", 0],
    ["whole\nhalf", 6],
    [`${"x".repeat(64 * KIB)}\n`, 1],
  ];
  const tried = 5000;
  let left = tried;
  await atOnce(20, async () => {
    while (left-- > 0) await reset(program.port, ...kinds[left % 5]!);
  });
  const { worst, failed } = await bystander.report();
  return {
    fault: "resets",
    tried,
    lost: failed,
    delay: worst,
    measured: "",
    complaints: worst > DELAY ? ["a bystander waited too long"] : [],
  };
}

/** 200 clients that send and never read, then go. */
async function slowReaders(): Promise<Finding> {
  await using program = await Program.listening();
  using bystander = await Bystander.of(program);
  const before = await program.usage();
  const clients = await connectAll(program.port, 200);
  const lines = new Uint8Array(64 * KIB).fill(0x0a);
  let moved = 0;
  const filling = Promise.allSettled(clients.map(async (client) => {
    for (let sent = 0; sent < FILL; sent += lines.length) {
      await client.send(lines);
      moved++;
      await pause(0.05);
    }
  }));
  for (let last = -1; last !== moved;) {
    last = moved;
    await pause(0.3);
  }
  const filled = await bystander.report();
  await pause(1);
  const stuck = await bystander.report();
  const full = await program.usage();
  for (const client of clients) client.close();
  await filling;
  await program.fallsTo(before.descriptors);
  const each = (full.memory - before.memory) / clients.length;
  const complaints: string[] = [];
  if (each > SLOW_CLIENT) complaints.push("they cost too much memory");
  // What others wait while the kernel is filled is between them and the kernel.
  if (stuck.worst > DELAY_STUCK) {
    complaints.push("a bystander waited too long");
  }
  return {
    fault: "slow readers",
    tried: clients.length,
    lost: filled.failed + stuck.failed,
    delay: stuck.worst,
    measured: `${(each / KIB).toFixed(0)} KiB each, all descriptors freed; ${
      filled.worst.toFixed(0)
    } ms while they filled the kernel`,
    complaints,
  };
}

/** One line of 1 GiB, or of 64 MiB if time is short. */
async function endlessLine(): Promise<Finding> {
  await using program = await Program.listening();
  using bystander = await Bystander.of(program);
  const before = await program.usage();
  const total = (seconds >= 60 ? 1024 : 64) * MIB;
  using client = await Client.connect(program.port);
  let peak = 0;
  const look = watchUsage(program, ({ memory }) => {
    peak = Math.max(peak, memory);
  });
  const wrong = await stream(client, total);
  await look.stop();
  const { worst, failed } = await bystander.report();
  const gain = peak - before.memory;
  return {
    fault: `a line of ${total / MIB} MiB`,
    tried: 1,
    lost: wrong + failed,
    delay: worst,
    measured: `memory +${(gain / MIB).toFixed(0)} MiB`,
    complaints: gain > GAIN ? ["it was piled up"] : [],
  };
}

/** Many clients that come at once, and then do nothing. */
async function idleCost(): Promise<Finding> {
  await using program = await Program.listening();
  using bystander = await Bystander.of(program);
  const before = await program.usage();
  const clients: Client[] = [];
  const count = Math.min(8000, await descriptorLimit() - 1000);
  while (clients.length < count) {
    clients.push(...await connectAll(program.port, 100));
  }
  await pause(1);
  const { worst, failed } = await bystander.report();
  // The bystander is not idle.
  bystander.close();
  const from = await program.usage();
  const start = performance.now();
  await pause(4);
  const to = await program.usage();
  const share = (to.cpu - from.cpu) / elapsed(start);
  for (const client of clients) client.close();
  await program.fallsTo(before.descriptors);
  const each = (from.memory - before.memory) / count;
  const complaints: string[] = [];
  if (share >= IDLE_CPU) complaints.push("they cost too much of a core");
  if (worst > DELAY) complaints.push("a bystander waited while they came");
  return {
    fault: "idle clients",
    tried: count,
    lost: failed,
    delay: worst,
    measured: `${(share * 100).toFixed(2)}% of a core, ${
      (each / KIB).toFixed(1)
    } KiB each`,
    complaints,
  };
}

/**
 * Clients that come at any time between two sweeps, and are closed a time-out
 * later.
 */
async function idleAccuracy(): Promise<Finding> {
  await using program = await Program.listening([
    "--idle-timeout",
    "1",
    "--verbose",
  ]);
  using bystander = await Bystander.of(program);
  const clients: Client[] = [];
  for (let i = 0; i < 50; i++) {
    clients.push(...await connectAll(program.port, 20));
    await pause(0.01);
  }
  let lost = 0;
  await Promise.all(clients.map(async (client) => {
    if ((await client.receiveAll()).length > 0) lost++;
    client.close();
  }));
  const lines = await program.sawTimes(1000, /idle: .* ([\d.]+) s\n/);
  const { worst, failed } = await bystander.report();
  const times = lines.map(([, time]) => Number(time));
  const least = Math.min(...times);
  const most = Math.max(...times);
  const complaints: string[] = [];
  if (least < 0.98) complaints.push("some were closed too early");
  if (most > 1 + SWEEP + LATENESS) complaints.push("some were closed too late");
  return {
    fault: "silence of 1 s",
    tried: clients.length,
    lost: lost + failed,
    delay: worst,
    measured: `closed after ${least.toFixed(3)} to ${most.toFixed(3)} s`,
    complaints,
  };
}

// Mixed load

/**
 * All of it at once and for long, and a line of the table from time to time.
 */
async function mixedLoad(duration: number): Promise<string[]> {
  await using program = await Program.listening(["--idle-timeout", "5"]);
  const before = await program.usage();
  using bystander = await Bystander.of(program);
  const start = performance.now();
  const load = new Load(program, duration);
  const memories: number[] = [];
  let worst = 0;
  let cpu = before.cpu;
  tableHead(
    "time",
    "connections",
    "bytes",
    "errors",
    "memory",
    "descriptors",
    "cpu",
    "worst delay",
  );
  const every = duration / ROWS;
  for (let row = 1; row <= ROWS; row++) {
    await pause(Math.max(0, every * row - elapsed(start)));
    const usage = await program.usage();
    const watched = await bystander.report();
    if (watched.failed) load.fail(watched.failure);
    worst = Math.max(worst, watched.worst);
    memories.push(usage.memory);
    tableRow(
      `${elapsed(start).toFixed(0)} s`,
      load.connections,
      load.bytes,
      load.errors.length,
      `${(usage.memory / MIB).toFixed(0)} MiB`,
      usage.descriptors,
      `${((usage.cpu - cpu) / every * 100).toFixed(0)}%`,
      `${watched.worst.toFixed(0)} ms`,
    );
    cpu = usage.cpu;
  }
  await load.ended;
  bystander.close();
  const after = await program.fallsTo(before.descriptors);
  const stop = performance.now();
  program.kill();
  const { code, stderr } = await program.ended();
  console.log(
    `\nafter it: ${after.descriptors} descriptors (${before.descriptors} before it), ${
      (after.memory / MIB).toFixed(0)
    } MiB, shut down in ${(elapsed(stop) * 1000).toFixed(0)} ms, exit ${code}`,
  );
  console.log(stderr.trimEnd().split("\n").at(-1));

  const complaints = load.errors.slice(0, 10);
  const quarter = memories.length / 4;
  const gain = median(memories.slice(-quarter)) -
    median(memories.slice(quarter, 2 * quarter));
  if (gain > GAIN) complaints.push(`memory grows: ${gain} bytes`);
  if (worst > DELAY) complaints.push("a bystander waited too long");
  if (code !== 0) complaints.push(`exit ${code}`);
  if (/warning|error/.test(stderr)) complaints.push(stderr);
  return complaints;
}

/** The clients of the mixed load, which go on until the time is up. */
class Load {
  connections = 0;
  bytes = 0;
  readonly errors: string[] = [];
  readonly ended: Promise<void>;

  readonly #program: Listening;
  readonly #end: number;
  readonly #random = new Random(seed);

  constructor(program: Listening, duration: number) {
    this.#program = program;
    this.#end = performance.now() + duration * 1000;
    this.ended = Promise.all([
      this.#each(10, () => this.#any()),
      this.#each(20, () => this.#talks()),
      this.#each(2, () => this.#streams()),
      this.#each(10, () => this.#neverReads()),
      this.#each(200, () => this.#isSilent()),
    ]).then(() => {});
  }

  fail(error: unknown): void {
    this.errors.push(`after ${this.connections} connections: ${error}`);
  }

  get #over(): boolean {
    return performance.now() > this.#end;
  }

  /** So many clients at once, each of them again and again. */
  async #each(count: number, client: () => Promise<void>): Promise<void> {
    await atOnce(count, async () => {
      while (!this.#over && this.errors.length < 100) {
        this.connections++;
        try {
          await client();
        } catch (error) {
          this.fail(error);
        }
      }
    });
  }

  async #any(): Promise<void> {
    const random = new Random(this.#random.below(2 ** 32));
    const compared = await anyClient(this.#program.port, random);
    this.bytes += compared;
    await pause(random.below(100) / 1000);
  }

  /** Says a line and waits for it, a thousand times. */
  async #talks(): Promise<void> {
    const random = new Random(this.#random.below(2 ** 32));
    using client = await Client.connect(this.#program.port);
    for (let i = 0; i < 1000 && !this.#over; i++) {
      const line = `${String.fromCharCode(33 + random.below(90))}`
        .repeat(random.below(2000)) + "\n";
      assert.equal(await client.echo(line), line);
      this.bytes += line.length;
      await pause(random.below(20) / 1000);
    }
  }

  async #streams(): Promise<void> {
    using client = await Client.connect(this.#program.port);
    const total = 16 * MIB;
    assert.equal(await stream(client, total), 0);
    this.bytes += total;
    await pause(0.5);
  }

  /** Is ended by the idle clock, or leaves when the time is up. */
  async #neverReads(): Promise<void> {
    using client = await Client.connect(this.#program.port);
    const lines = new Uint8Array(64 * KIB).fill(0x0a);
    const leave = setTimeout(() => client.close(), this.#left);
    try {
      for (let sent = 0; sent < FILL; sent += lines.length) {
        await client.send(lines);
      }
      await pause(Math.min(7, this.#left / 1000));
    } catch {
      // That is what happens to clients that never read.
    } finally {
      clearTimeout(leave);
    }
  }

  /** Is ended by the idle clock: FIN, and nothing else. */
  async #isSilent(): Promise<void> {
    using client = await Client.connect(this.#program.port);
    const leave = setTimeout(() => client.close(), this.#left);
    try {
      assert.equal(await client.receive(), null);
    } catch (error) {
      if (!this.#over) throw error;
    } finally {
      clearTimeout(leave);
    }
  }

  get #left(): number {
    return Math.max(0, this.#end - performance.now());
  }
}

/**
 * Sends a line without end, `total` bytes of it, and FIN; counts the bytes that
 * are wrong or missing.
 */
async function stream(client: Client, total: number): Promise<number> {
  const pattern = new Uint8Array(250 * KIB).map((_, i) => 11 + i % 241);
  const send = async () => {
    for (let sent = 0; sent < total; sent += pattern.length) {
      await client.send(pattern.subarray(0, total - sent));
    }
    await client.closeWrite();
  };
  let received = 0;
  let wrong = 0;
  const receive = async () => {
    for (let part; (part = await client.receive()) !== null;) {
      for (const byte of part) {
        if (byte !== pattern[received++ % pattern.length]) wrong++;
      }
    }
  };
  await Promise.all([send(), receive()]);
  return wrong + total - received;
}

/** The honest client in its thread. */
class Bystander {
  readonly #worker: Worker;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  /** Starts watching; settles once it is served. */
  static async of({ port }: Listening): Promise<Bystander> {
    const url = new URL("../support/bystander.ts", import.meta.url);
    const bystander = new Bystander(new Worker(url, { type: "module" }));
    bystander.#worker.postMessage(port);
    while ((await bystander.report()).lines === 0) await pause(0.01);
    return bystander;
  }

  /** What it has seen since the last time. */
  async report(): Promise<Watched & { failed: number }> {
    const { promise, resolve } = Promise.withResolvers<Watched>();
    this.#worker.onmessage = ({ data }) => resolve(data);
    this.#worker.postMessage("report");
    const watched = await promise;
    return { ...watched, failed: watched.failure ? 1 : 0 };
  }

  close(): void {
    this.#worker.terminate();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

// Small change

/** Looks at what the program uses, again and again. */
function watchUsage(
  program: Program,
  see: (usage: Awaited<ReturnType<Program["usage"]>>) => void,
): { stop: () => Promise<void> } {
  let over = false;
  const looking = (async () => {
    while (!over) {
      see(await program.usage());
      await pause(0.1);
    }
  })();
  return {
    stop: () => {
      over = true;
      return looking;
    },
  };
}

async function atOnce(count: number, run: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, run));
}

async function descriptorLimit(): Promise<number> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", "ulimit -n"] })
    .output();
  const limit = Number(new TextDecoder().decode(stdout));
  return Number.isNaN(limit) ? Infinity : limit;
}

function median(numbers: number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

function elapsed(since: number): number {
  return (performance.now() - since) / 1000;
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

function tableHead(...names: string[]): void {
  tableRow(...names);
  tableRow(...names.map(() => "-".repeat(COLUMN)));
}

function tableRow(...cells: (string | number)[]): void {
  console.log(
    `| ${cells.map((cell) => `${cell}`.padEnd(COLUMN)).join(" | ")} |`,
  );
}

Deno.exit(await main());
