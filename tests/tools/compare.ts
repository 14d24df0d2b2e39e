/**
 * The server beside others: each in turn gets the same load, round after round,
 * and one table shows how many lines a second each gave back, as a ratio to
 * this one. The load is the probe, which compares every byte.
 *
 *     deno run --allow-all tests/tools/compare.ts [--rounds 5] [--seconds 1]
 *
 * Servers that are not installed are left out; with all of them it takes three
 * minutes. The load runs in this process, so no server can show more than it can
 * take; the last column, the CPU time that the server itself used for a line,
 * has no such limit. Only Linux tells it, and Deno reads it with `--allow-all`
 * only.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { probe } from "../../lib/mod.ts";
import { freePort } from "../support/ports.ts";

/** What is asked of a server. */
interface Load {
  connections: number;
  /** Bytes of a line. */
  size: number;
  /** Lines that each connection has under way. */
  inFlight: number;
}

const LOADS: Load[] = [
  { connections: 50, size: 64, inFlight: 1 },
  { connections: 50, size: 64, inFlight: 64 },
  { connections: 10, size: 1024, inFlight: 64 },
  { connections: 4, size: 65_536, inFlight: 4 },
];

const NODE = `
  require("node:net").createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.pipe(socket);
  }).listen({ port: PORT, host: "127.0.0.1", backlog: 4096 });`;

const BUN = `
  function write(socket) {
    while (socket.data.length > 0) {
      const chunk = socket.data[0];
      const count = Math.max(0, socket.write(chunk));
      if (count < chunk.length) {
        socket.data[0] = chunk.subarray(count);
        return;
      }
      socket.data.shift();
    }
  }
  Bun.listen({ hostname: "127.0.0.1", port: PORT, socket: {
    open(socket) { socket.data = []; },
    data(socket, chunk) { socket.data.push(Buffer.from(chunk)); write(socket); },
    drain: write,
    end(socket) { socket.end(); },
    error() {},
  } });`;

const STREAMS = `
  const listener = Deno.listen({ hostname: "127.0.0.1", port: PORT, tcpBacklog: 4096 });
  for await (const connection of listener) {
    connection.setNoDelay(true);
    connection.readable.pipeTo(connection.writable).catch(() => {});
  }`;

const TUTORIAL = `
  defmodule Echo do
    def accept(listener) do
      {:ok, socket} = :gen_tcp.accept(listener)
      pid = spawn(fn -> receive do :go -> serve(socket) end end)
      :ok = :gen_tcp.controlling_process(socket, pid)
      send(pid, :go)
      accept(listener)
    end
    def serve(socket) do
      case :gen_tcp.recv(socket, 0) do
        {:ok, line} -> :gen_tcp.send(socket, line); serve(socket)
        _ -> :gen_tcp.close(socket)
      end
    end
  end
  {:ok, listener} = :gen_tcp.listen(PORT, [:binary, packet: :line, active: false,
    reuseaddr: true, nodelay: true, backlog: 4096, ip: {127, 0, 0, 1}])
  Echo.accept(listener)`;

/** Command lines by name; `PORT` becomes the port. */
const SERVERS: Record<string, string[]> = {
  "echoserver": [
    ...[
      Deno.execPath(),
      "run",
      "--allow-net",
      import.meta.resolve("../../main.ts"),
    ],
    ...["--quiet", "--host", "127.0.0.1", "--port", "PORT"],
  ],
  "Deno's streams": [Deno.execPath(), "eval", STREAMS],
  "Node": ["node", "--eval", NODE],
  "Bun": ["bun", "--eval", BUN],
  "Elixir tutorial": ["elixir", "--eval", TUTORIAL],
  "socat": ["socat", "TCP-LISTEN:PORT,bind=127.0.0.1,fork,reuseaddr", "PIPE"],
  "ncat": [
    ...["ncat", "--listen", "--keep-open", "--max-conns", "1000"],
    ...["--exec", "/bin/cat", "127.0.0.1", "PORT"],
  ],
};

/** A running server. */
interface Server {
  name: string;
  port: number;
  process: Deno.ChildProcess;
}

/** What one visit showed; NaN where the server failed. */
interface Visit {
  linesPerSecond: number;
  /** Microseconds of CPU time for a line, where it can be known. */
  cpuPerLine: number;
}

await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "1" },
    },
  });
  const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
  const servers: Server[] = [];
  try {
    for (const [name, command] of Object.entries(SERVERS)) {
      const server = await start(name, command);
      if (server) servers.push(server);
    }
    const visits = LOADS.length * rounds * servers.length;
    console.log(
      `This takes ${Math.ceil(visits * seconds)} seconds or so.`,
    );
    for (const load of LOADS) {
      const { connections, size, inFlight } = load;
      console.log(
        `\n${connections} clients, lines of ${size} bytes, ${inFlight} in flight`,
      );
      const visits = new Map(servers.map(({ name }) => [name, [] as Visit[]]));
      for (let round = 0; round < rounds; round++) {
        for (const server of servers) {
          const visit = await visitOf(server, load, seconds);
          visits.get(server.name)!.push(visit);
        }
      }
      printTable(visits);
    }
  } finally {
    for (const { process } of servers) process.kill("SIGKILL");
    await Promise.all(servers.map(({ process }) => process.status));
  }
}

/**
 * Starts a server and waits until it accepts; undefined if it is not installed.
 */
async function start(
  name: string,
  [command, ...args]: string[],
): Promise<Server | undefined> {
  const port = freePort();
  let process: Deno.ChildProcess;
  try {
    process = new Deno.Command(command!, {
      args: args.map((arg) => arg.replace("PORT", String(port))),
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
  } catch {
    console.log(`${name}: not installed, left out`);
    return undefined;
  }
  let ended = false;
  process.status.then(() => ended = true);
  while (!ended) {
    try {
      (await Deno.connect({ port, hostname: "127.0.0.1" })).close();
      return { name, port, process };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  console.log(`${name}: does not start, left out`);
  return undefined;
}

async function visitOf(
  { port, process: { pid } }: Server,
  load: Load,
  duration: number,
): Promise<Visit> {
  const before = cpuSeconds(pid);
  const report = await probe(`127.0.0.1:${port}`, { ...load, duration });
  const cpu = cpuSeconds(pid) - before;
  return report.ok
    ? {
      linesPerSecond: report.lines_per_second,
      cpuPerLine: cpu / report.lines * 1e6,
    }
    : { linesPerSecond: NaN, cpuPerLine: NaN };
}

/**
 * CPU time of a process and its ended and living children; NaN where it cannot
 * be known.
 */
function cpuSeconds(pid: number): number {
  try {
    const ticks = [pid, ...childrenOf(pid)].map((pid) => {
      const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return fields.slice(11, 15).reduce((sum, n) => sum + Number(n), 0);
    });
    return ticks.reduce((sum, n) => sum + n, 0) / 100;
  } catch {
    return NaN;
  }
}

function childrenOf(pid: number): number[] {
  const list = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`);
  return list.trim().split(" ").filter(Boolean).map(Number);
}

function printTable(visits: Map<string, Visit[]>): void {
  const median = (values: number[]) =>
    values.toSorted((a, b) => a - b)[values.length >> 1]!;
  const of = (name: string, field: keyof Visit) =>
    median(visits.get(name)!.map((visit) => visit[field]));
  const reference = of("echoserver", "linesPerSecond");
  console.log(`  ${"".padEnd(16)} ratio    lines/s   CPU µs a line`);
  for (const name of visits.keys()) {
    const rate = of(name, "linesPerSecond");
    const cpu = of(name, "cpuPerLine");
    console.log(
      Number.isNaN(rate)
        ? `  ${name.padEnd(16)} did not give back what it was sent`
        : `  ${name.padEnd(16)} ${(rate / reference).toFixed(2).padStart(5)}` +
          ` ${Math.round(rate).toLocaleString("en").padStart(10)}` +
          ` ${Number.isNaN(cpu) ? "" : cpu.toFixed(2).padStart(15)}`,
    );
  }
}
