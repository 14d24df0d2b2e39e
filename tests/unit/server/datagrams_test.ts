import assert from "node:assert/strict";
import { EchoServer } from "../../../lib/mod.ts";
import { resolve } from "../../../lib/options/options.ts";
import { Datagrams } from "../../../lib/server/datagrams.ts";
import { makeService } from "../../../lib/server/service.ts";
import { Counters } from "../../../lib/telemetry/counters.ts";
import { NET } from "../../support/program.ts";

const ignore = !NET || !("listenDatagram" in Deno);

/** Of this seed the first datagram waits 394 ms, and the second one 1 ms. */
const LATE_AND_EARLY = "latency=200ms&jitter=200ms&seed=11";

function socket(): Deno.DatagramConn {
  const address = { hostname: "127.0.0.1", port: 0 } as const;
  return Deno.listenDatagram({ transport: "udp", ...address });
}

for (
  const [name, senders, expected] of [
    ["no datagram waits for those of other senders", 2, [2, 1]],
    ["no datagram overtakes another of its sender", 1, [1, 2]],
  ] as const
) {
  Deno.test({
    name,
    ignore,
    fn: async () => {
      await using server = await EchoServer.start({
        listen: `udp://127.0.0.1:0?${LATE_AND_EARLY}`,
      });
      const to = {
        transport: "udp",
        hostname: "127.0.0.1",
        port: server.addr.port,
      } as const;
      const sockets = Array.from({ length: senders }, socket);
      const [first, second = first] = sockets;
      await first!.send(Uint8Array.of(1), to);
      await second!.send(Uint8Array.of(2), to);
      const received: number[] = [];
      const receive = async (from: Deno.DatagramConn) => {
        const [datagram] = await from.receive();
        received.push(datagram[0]!);
      };
      await Promise.all([receive(first!), receive(second!)]);
      assert.deepEqual(received, expected);
      for (const each of sockets) each.close();
    },
  });
}

/** A socket that has received so many empty datagrams of one sender. */
class FloodedSocket implements Partial<Deno.DatagramConn> {
  readonly addr: Deno.NetAddr = {
    transport: "udp",
    hostname: "192.0.2.1",
    port: 7000,
  };
  sent = 0;
  readonly #emptied = Promise.withResolvers<void>();
  /** Settles when all have been received. */
  readonly emptied = this.#emptied.promise;
  readonly #closed = Promise.withResolvers<never>();
  #left: number;

  constructor(datagrams: number) {
    this.#left = datagrams;
  }

  receive(): Promise<[Uint8Array<ArrayBuffer>, Deno.Addr]> {
    if (this.#left-- > 0) {
      const sender = { ...this.addr, hostname: "192.0.2.7" };
      return Promise.resolve([new Uint8Array(0), sender]);
    }
    this.#emptied.resolve();
    return this.#closed.promise;
  }

  send(): Promise<number> {
    this.sent++;
    return Promise.resolve(0);
  }

  close(): void {
    this.#closed.reject(new Deno.errors.BadResource("closed"));
  }
}

/** Answers the datagrams of `socket`, each after `latency`. */
async function answerLate(
  socket: FloodedSocket,
  latency: string,
): Promise<Datagrams> {
  const server = resolve({ listen: `udp://192.0.2.1:7000?latency=${latency}` });
  const [settings] = server.listeners;
  const service = await makeService(server, {
    index: 0,
    name: "udp://192.0.2.1:7000",
    settings: settings!,
    pulse: { sweeps: 0 },
    counters: new Counters(),
    access: undefined,
    sweepSeconds: 1,
    draining: new AbortController().signal,
  });
  return new Datagrams(socket as unknown as Deno.DatagramConn, service);
}

Deno.test("Datagrams holds a bounded number of empty ones that are delayed", async () => {
  const socket = new FloodedSocket(20_000);
  const datagrams = await answerLate(socket, "3s");
  await socket.emptied;
  await datagrams.shutdown(60);
  assert.equal(socket.sent, 8192);
});

Deno.test("Datagrams leaves no timer of those that are delayed beyond the deadline", async () => {
  const socket = new FloodedSocket(1);
  const datagrams = await answerLate(socket, "1m");
  await socket.emptied;
  await datagrams.shutdown(0);
  assert.equal(socket.sent, 0);
});
