/**
 * Many clients in a thread of their own, which read what comes and, if they
 * flood, send as much as they can, until the server ends.
 *
 * @module
 */

/// <reference lib="deno.worker" />
import { eventLoopTurn } from "../../lib/util/async.ts";

/** What the thread is told to do; it says so when that is done. */
export type FloodOrder =
  /** Connects so many clients, and reads. */
  | { type: "connect"; port: number; clients: number }
  /** Floods, until something has come back to each client. */
  | { type: "flood" }
  /** Waits until nothing comes any more. */
  | { type: "quiet" }
  /** Lets a process that is stopped go on until so much more has come. */
  | { type: "let"; pid: number; bytes: number };

/** What comes is counted, and not looked at. */
const buffer = new Uint8Array(256 * 1024);

/** Lines of which few end where a read does. */
const chunk = new TextEncoder().encode(`${"x".repeat(99)}\n`.repeat(655));

/**
 * Turns of the event loop without a byte that prove that the kernel holds none,
 * as `read_scheduler.ts` explains.
 */
const PROOF_TURNS = 124;

/** A client, and what tells that something has come. */
interface Client {
  connection: Deno.Conn;
  served: PromiseWithResolvers<void>;
}

let clients: Client[] = [];
/** Bytes that have come, of all clients. */
let received = 0;
/** Called whenever some have. */
let onReceived = () => {};

self.onmessage = async ({ data: order }: MessageEvent<FloodOrder>) => {
  switch (order.type) {
    case "connect":
      clients = await connect(order.port, order.clients);
      break;
    case "flood":
      for (const { connection } of clients) send(connection).catch(() => {});
      await Promise.all(clients.map(({ served }) => served.promise));
      break;
    case "quiet":
      await quiet();
      break;
    case "let":
      await letGoOn(order.pid, order.bytes);
  }
  self.postMessage("done");
};

function connect(port: number, count: number): Promise<Client[]> {
  return Promise.all(Array.from({ length: count }, async () => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const client = { connection, served: Promise.withResolvers<void>() };
    receive(client).catch(() => {});
    return client;
  }));
}

async function send(connection: Deno.Conn): Promise<void> {
  for (;;) await connection.write(chunk);
}

async function receive({ connection, served }: Client): Promise<void> {
  for (let count; (count = await connection.read(buffer)) !== null;) {
    received += count;
    served.resolve();
    onReceived();
  }
  connection.close();
}

async function quiet(): Promise<void> {
  let seen = received;
  for (let silent = 0; silent < PROOF_TURNS; silent++) {
    await eventLoopTurn();
    if (received === seen) continue;
    seen = received;
    silent = 0;
  }
}

async function letGoOn(pid: number, bytes: number): Promise<void> {
  const enough = received + bytes;
  const { promise, resolve } = Promise.withResolvers<void>();
  onReceived = () => {
    if (received < enough) return;
    onReceived = () => {};
    // At once, and not when the other thread comes to it.
    Deno.kill(pid, "SIGSTOP");
    resolve();
  };
  Deno.kill(pid, "SIGCONT");
  await promise;
}
