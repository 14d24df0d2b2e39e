/**
 * The server beside others: each in turn gets the same load, round after round,
 * and one table shows how many lines a second each gave back, as a ratio to
 * this one. Lines are checked.
 *
 *     deno run --allow-all tests/compare.ts [--rounds 5] [--seconds 1]
 *
 * The load runs in this process, so no server can show more than it can take;
 * the last column, the CPU time that the server itself used for a line, has no
 * such limit. Only Linux tells it, and Deno reads it with `--allow-all` only.
 *
 * @module
 */

import { parseArgs } from "node:util";

/**
 * What is asked of a server: how many clients, and what each keeps in flight.
 */
interface Load {
  name: string;
  clients: number;
  lineBytes: number;
  lines: number;
}

const LOADS: Load[] = [
  { name: "50 clients, 64 B, one line", clients: 50, lineBytes: 64, lines: 1 },
  { name: "50 clients, 64 B, 64 lines", clients: 50, lineBytes: 64, lines: 64 },
  {
    name: "10 clients, 1 KiB, 64 lines",
    clients: 10,
    lineBytes: 1024,
    lines: 64,
  },
  {
    name: "4 clients, 64 KiB, 4 lines",
    clients: 4,
    lineBytes: 65_536,
    lines: 4,
  },
];

const NODE = `
  require("node:net").createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.pipe(socket);
  }).listen({ port: PORT, host: "127.0.0.1", backlog: 4096 });`;

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

/** Milliseconds after which a server that gives nothing back has failed. */
const STUCK = 5000;

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
  const servers: Server[] = [];
  try {
    for (const [name, command] of Object.entries(SERVERS)) {
      const server = await start(name, command);
      if (server) servers.push(server);
    }
    for (const load of LOADS) {
      console.log(`\n${load.name} in flight`);
      const visits = new Map(servers.map(({ name }) => [name, [] as Visit[]]));
      for (let round = 0; round < Number(values.rounds); round++) {
        for (const server of servers) {
          const visit = await visitOf(server, load, Number(values.seconds));
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

function freePort(): number {
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  return listener.addr.port;
}

async function visitOf(
  server: Server,
  load: Load,
  seconds: number,
): Promise<Visit> {
  const { clients, lineBytes, lines } = load;
  const batch = new Uint8Array(lineBytes * lines).fill(0x61);
  for (let end = lineBytes; end <= batch.length; end += lineBytes) {
    batch[end - 1] = 0x0a;
  }
  const cpuBefore = cpuSeconds(server.process.pid);
  const start = performance.now();
  const end = start + seconds * 1000;
  const batches = await Promise.allSettled(
    Array.from({ length: clients }, () => client(server.port, batch, end)),
  );
  const took = (performance.now() - start) / 1000;
  const done = lines * batches.reduce((sum, batch) => {
    return sum + (batch.status === "fulfilled" ? batch.value : NaN);
  }, 0);
  const cpu = cpuSeconds(server.process.pid) - cpuBefore;
  return { linesPerSecond: done / took, cpuPerLine: cpu / done * 1e6 };
}

/** Sends a batch, waits until it is back, and so on. */
async function client(
  port: number,
  batch: Uint8Array,
  end: number,
): Promise<number> {
  using connection = await Deno.connect({ port, hostname: "127.0.0.1" });
  connection.setNoDelay(true);
  using _guard = closeAt(end + STUCK, connection);
  const echoed = new Uint8Array(batch.length);
  let batches = 0;
  while (performance.now() < end) {
    const sending = send(connection, batch);
    for (let got = 0; got < batch.length;) {
      const count = await connection.read(echoed.subarray(got));
      if (count === null) throw new Error("the server closed a connection");
      got += count;
    }
    await sending;
    if (echoed[0] !== batch[0] || echoed.at(-1) !== batch.at(-1)) {
      throw new Error("the server changed a line");
    }
    batches++;
  }
  return batches;
}

function closeAt(time: number, connection: Deno.Conn): Disposable {
  const timer = setTimeout(() => connection.close(), time - performance.now());
  return { [Symbol.dispose]: () => clearTimeout(timer) };
}

async function send(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0;) {
    rest = rest.subarray(await connection.write(rest));
  }
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
        ? `  ${name.padEnd(16)} gave less back than it was sent`
        : `  ${name.padEnd(16)} ${(rate / reference).toFixed(2).padStart(5)}` +
          ` ${Math.round(rate).toLocaleString("en").padStart(10)}` +
          ` ${Number.isNaN(cpu) ? "" : cpu.toFixed(2).padStart(15)}`,
    );
  }
}
