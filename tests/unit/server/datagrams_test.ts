import assert from "node:assert/strict";
import { EchoServer } from "../../../lib/mod.ts";
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
