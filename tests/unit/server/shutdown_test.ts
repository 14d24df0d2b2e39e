import assert from "node:assert/strict";
import { EchoServer, EchoSupervisor } from "../../../lib/mod.ts";
import { eventLoopTurn, untilAborted } from "../../../lib/util/async.ts";
import { Client } from "../../support/client.ts";
import { Events } from "../../support/events.ts";
import { inTime, NET } from "../../support/program.ts";

const ignore = !NET;
const HERE = { host: "127.0.0.1", port: 0 };

/** Seconds: what must not be reached. */
const LONG = 86_400;

Deno.test({
  name: "a tree at its limit of connections drains at once",
  ignore,
  fn: async () => {
    const tree = await EchoSupervisor.start(EchoServer, {
      ...HERE,
      maxConnections: 1,
      shutdownTimeout: LONG,
    });
    using client = await Client.connect(tree.addr.port);
    assert.equal(await client.echo("one\n"), "one\n");
    const stopped = tree.shutdown();
    assert.equal((await client.receiveAll()).length, 0);
    client.close();
    await inTime("the drain", stopped);
  },
});

Deno.test({
  name: "a server that shuts down while clients connect leaves none behind",
  ignore,
  fn: async () => {
    for (let round = 0; round < 20; round++) {
      const events = new Events();
      const server = await EchoServer.start({ ...HERE, onEvent: events.hear });
      const { port } = server.addr;
      const connecting = Promise.allSettled(
        Array.from({ length: 8 }, () => Client.connect(port)),
      );
      await server.shutdown();
      await server.finished;
      for (const outcome of await connecting) {
        if (outcome.status === "fulfilled") outcome.value.close();
      }
      const [stop] = events.of("stop");
      assert.equal(events.of("connection").length, stop?.connections);
    }
  },
});

Deno.test({
  name:
    "a client that holds the second listener's turn at the limit is drained",
  ignore,
  fn: async () => {
    const server = await EchoServer.start({
      listen: ["tcp://127.0.0.1:0", "tcp://127.0.0.1:0"],
      maxConnections: 1,
      shutdownTimeout: LONG,
    });
    using first = await Client.connect(server.addrs[0]!.port);
    assert.equal(await first.echo("one\n"), "one\n");
    using second = await Client.connect(server.addrs[1]!.port);
    await second.send("two\n");
    // Both have arrived; whether the second was accepted shows in the drain.
    const stopped = server.shutdown();
    first.close();
    const back = await second.receiveAll().catch(() => undefined);
    second.close();
    await stopped;
    if (back) assert.equal(new TextDecoder().decode(back), "two\n");
  },
});

Deno.test({
  name: "a client that never stops sending is drained all the same",
  ignore,
  fn: async () => {
    const server = await EchoServer.start({ ...HERE, shutdownTimeout: LONG });
    using client = await Client.connect(server.addr.port);
    const line = "x".repeat(9_999) + "\n";
    const sending = (async () => {
      for (;;) await client.send(line);
    })().catch(() => {});
    let received = 0;
    const receiving = (async () => {
      for (let part; (part = await client.receive()) !== null;) {
        received += part.length;
      }
      // The server's FIN.
      client.close();
    })();
    while (received < 10 * line.length) await eventLoopTurn();
    await inTime("the drain", server.shutdown());
    await receiving;
    await sending;
    assert.equal(received % line.length, 0);
  },
});

Deno.test({
  name: "a datagram that is delayed holds up nobody's FIN",
  ignore: ignore || !("listenDatagram" in Deno),
  fn: async () => {
    const server = await EchoServer.start({
      listen: ["tcp://127.0.0.1:0", "udp://127.0.0.1:0?latency=1s"],
      shutdownTimeout: LONG,
    });
    const [tcp, udp] = server.addrs;
    using client = await Client.connect(tcp!.port);
    assert.equal(await client.echo("one\n"), "one\n");
    const socket = Deno.listenDatagram({
      transport: "udp",
      hostname: "127.0.0.1",
      port: 0,
    });
    await socket.send(new Uint8Array(3), {
      transport: "udp",
      hostname: "127.0.0.1",
      port: udp!.port,
    });
    // It has been received when a line sent after it has come back.
    for (let i = 0; i < 100; i++) await client.echo("two\n");
    const stopped = server.shutdown();
    const came: string[] = [];
    await Promise.all([
      client.receiveAll().then(({ length }) => {
        assert.equal(length, 0);
        came.push("FIN");
        client.close();
      }),
      socket.receive().then(([{ length }]) => {
        assert.equal(length, 3);
        came.push("datagram");
        socket.close();
      }),
    ]);
    await stopped;
    assert.deepEqual(came, ["FIN", "datagram"]);
  },
});

Deno.test({
  name: "what still waits in the handler at the deadline was not drained",
  ignore,
  fn: async () => {
    const events = new Events();
    const opened = Promise.withResolvers<void>();
    const server = await EchoServer.start({
      ...HERE,
      shutdownTimeout: 0.1,
      onEvent: events.hear,
      handler: async ({ readable, signal }) => {
        opened.resolve();
        for await (const _ of readable);
        await untilAborted(signal);
      },
    });
    using client = await Client.connect(server.addr.port);
    await client.send("never given back\n");
    await opened.promise;
    await server.shutdown();
    assert.equal((await events.saw("connection")).ending, "deadline");
  },
});

for (const mode of ["line", "raw"] as const) {
  Deno.test({
    name: `a client that answers at once does not hold up a drain, ${mode}`,
    ignore,
    fn: async () => {
      const server = await EchoServer.start({
        ...HERE,
        mode,
        shutdownTimeout: LONG,
      });
      using client = await Client.connect(server.addr.port);
      // In this process each line is there before a round of the drain is over.
      const asking = (async () => {
        while (await client.echo("line\n").catch(() => "") === "line\n");
        client.close();
      })();
      await eventLoopTurn();
      await inTime("the drain", server.shutdown());
      await asking;
    },
  });
}
