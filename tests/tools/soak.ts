/**
 * Hours of trouble, or seconds: hurts the real program in every way a network
 * can, checks every byte that comes back, measures what it costs the others,
 * and judges: see {@linkcode HELP}.
 *
 * @module
 */

import assert from "node:assert/strict";
import net from "node:net";
import { parseArgs } from "node:util";
import { probe } from "../../lib/mod.ts";
import { anyClient } from "../support/any_client.ts";
import type { Watched } from "../support/bystander.ts";
import { Client, connectAll, reset } from "../support/client.ts";
import { Program } from "../support/program.ts";
import { Random } from "../support/random.ts";

const HELP = `Usage: deno task soak [options]

Hurts the real program in every way a network can, checks every byte that comes
back, measures what it costs the others, and judges.

      --minutes <n>  How long it takes, about (default 1)
      --seconds <n>  The same in seconds; the faults alone take about 40
      --seed <n>     What the clients do is drawn from it (default: drawn)
  -h, --help         Show this help

Exit code: 0 if the server is sound, 1 if not, 2 for wrong use.`;

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * Milliseconds that an honest client may wait at any time, and while others are
 * stuck because they do not read, or are refused.
 */
const DELAY = 250;
const DELAY_STUCK = 100;
const DELAY_REFUSED = 100;

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

/** The address of clients that are refused: one that every Linux has. */
const REFUSED = "127.0.0.2";

/** Seconds of mixed load at least, however short the run. */
const LEAST = 5;

/** Characters of the columns of the two tables; the last one is as it comes. */
const FINDINGS = [16, 5, 4, 11];
const LOAD = [7, 11, 14, 6, 9, 11, 5];

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

const { seconds, seed } = optionsOf(Deno.args);

async function main(): Promise<number> {
  const start = performance.now();
  const complaints: string[] = [];
  console.log(`${seconds} s, seed ${seed}\n`);

  const table = new Table(FINDINGS);
  table.head("fault", "tried", "lost", "worst delay", "measured");
  for (
    const measure of [
      resets,
      refusals,
      slowReaders,
      endlessLine,
      idleCost,
      idleAccuracy,
    ]
  ) {
    const found = await measure();
    const delay = `${found.delay.toFixed(0)} ms`;
    table.row(found.fault, found.tried, found.lost, delay, found.measured);
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

/** Reads the command line; ends the program if that is all there is to do. */
function optionsOf(args: string[]): { seconds: number; seed: number } {
  try {
    const { values } = parseArgs({
      args,
      options: {
        minutes: { type: "string" },
        seconds: { type: "string" },
        seed: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    if (values.help) {
      console.log(HELP);
      Deno.exit(0);
    }
    const minutes = numberOf("minutes", values.minutes ?? "1");
    return {
      seconds: numberOf("seconds", values.seconds ?? `${minutes * 60}`),
      seed: numberOf("seed", values.seed ?? `${Date.now() % 1_000_000}`),
    };
  } catch (error) {
    console.error(`soak: ${(error as Error).message}`);
    Deno.exit(2);
  }
}

function numberOf(name: string, text: string): number {
  const number = Number(text);
  if (text.trim() !== "" && number >= 0 && number < 1e9) return number;
  throw new Error(`--${name} takes a number, not "${text}"`);
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

/** 20,000 clients that may not connect, from an address beside our own. */
async function refusals(): Promise<Finding> {
  await using program = await Program.listening(["--deny", REFUSED]);
  using bystander = await Bystander.of(program);
  const tried = 20_000;
  let left = tried;
  let served = 0;
  await atOnce(20, async () => {
    while (left-- > 0) if (await isServed(program.port)) served++;
  });
  const { worst, failed } = await bystander.report();
  const complaints: string[] = [];
  if (served > 0) complaints.push("some were served");
  if (worst > DELAY_REFUSED) complaints.push("a bystander waited too long");
  return {
    fault: "refused clients",
    tried,
    lost: failed,
    delay: worst,
    measured: "",
    complaints,
  };
}

/** Whether a client from {@linkcode REFUSED} gets its line back. */
function isServed(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const options = { port, host: "127.0.0.1", localAddress: REFUSED };
  const socket = net.connect(options, () => socket.write("line\n"));
  socket.on("data", () => resolve(true));
  socket.on("end", () => socket.destroy());
  socket.on("error", () => {});
  socket.on("close", () => resolve(false));
  return promise;
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
  const table = new Table(LOAD);
  table.head(
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
    table.row(
      `${elapsed(start).toFixed(1)} s`,
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
      this.#talks(),
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

  /** Says lines at a steady pace over 20 connections, until the time is up. */
  async #talks(): Promise<void> {
    const { bytes, first_error: failure } = await probe(
      `127.0.0.1:${this.#program.port}`,
      { connections: 20, rate: 2000, size: 1000, duration: this.#left / 1000 },
    );
    this.bytes += bytes;
    if (failure !== undefined) this.fail(failure);
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

/** A table that is printed row by row. */
class Table {
  readonly #widths: number[];

  /** @param widths Characters of the columns but the last one. */
  constructor(widths: number[]) {
    this.#widths = widths;
  }

  head(...names: string[]): void {
    this.row(...names);
    const rules = names.map((name, i) => this.#widths[i] ?? name.length);
    this.row(...rules.map((width) => "-".repeat(width)));
  }

  row(...cells: (string | number)[]): void {
    const padded = cells.map((cell, i) =>
      `${cell}`.padEnd(this.#widths[i] ?? 0)
    );
    console.log(padded.join("  ").trimEnd());
  }
}

Deno.exit(await main());
