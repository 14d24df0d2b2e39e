import assert from "node:assert/strict";
import { blackhole } from "../../../lib/faults/blackhole.ts";
import { faultStages } from "../../../lib/faults/faults.ts";
import { latency } from "../../../lib/faults/latency.ts";
import { limit } from "../../../lib/faults/limit.ts";
import { EchoServer, type Handler, LineStream } from "../../../lib/mod.ts";
import { bytes, Client, resettable, text } from "../../support/client.ts";
import { Events } from "../../support/events.ts";
import { GUARD, NET } from "../../support/program.ts";

const ignore = !NET;

/** A server on a free port whose events are kept. */
async function serve(handler: Handler, shutdownTimeout = 15) {
  const events = new Events();
  const server = await EchoServer.start({
    port: 0,
    host: "127.0.0.1",
    handler,
    shutdownTimeout,
    onEvent: events.hear,
  });
  return { server, events, port: server.addr.port };
}

/** What is called for each chunk that has been read. */
function tap(
  onChunk: (bytes: number) => void,
): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform(chunk, controller) {
      onChunk(chunk.length);
      controller.enqueue(chunk);
    },
  });
}

/** Echo by lines through a stage. */
function echoThrough(
  stage: () => TransformStream<Uint8Array, Uint8Array>,
): Handler {
  return ({ readable, writable, signal }) =>
    readable.pipeThrough(new LineStream()).pipeThrough(stage())
      .pipeTo(writable, { signal });
}

Deno.test({
  name: "limit on a connection gives FIN, and input behind it is no failure",
  ignore,
  async fn() {
    const { server, events, port } = await serve(echoThrough(() => limit(7)));
    await using _ = server;
    using client = await Client.connect(port);
    await client.send("one\ntwo\nthree\n");
    assert.equal(text(await client.receiveAll()), "one\ntwo");
    for (let i = 0; i < 50; i++) await client.send(new Uint8Array(10_000));
    await client.closeWrite();
    const { ending, bytesOut } = await events.saw("connection");
    assert.deepEqual([ending, bytesOut], ["closed", 7]);
  },
});

Deno.test({
  name: "latency on a connection holds for lines under way together",
  ignore,
  async fn() {
    const { server, port } = await serve(echoThrough(() => latency(0.2)));
    await using _ = server;
    using client = await Client.connect(port);
    const begin = performance.now();
    const lines = Array.from({ length: 151 }, (_, i) => `${i}\n`);
    for (const line of lines) await client.send(line);
    const all = lines.join("");
    assert.equal(await client.receiveText(all.length), all);
    const took = performance.now() - begin;
    // One after the other, they would take longer than anything may.
    assert.ok(took >= 200 && took < GUARD, `${took} ms`);
  },
});

Deno.test({
  name: "latency on a connection is forgotten when the client resets",
  ignore,
  async fn() {
    const arrived = Promise.withResolvers<void>();
    const { server, events, port } = await serve(
      ({ readable, writable }) =>
        readable.pipeThrough(tap(() => arrived.resolve()))
          .pipeThrough(latency(3600)).pipeTo(writable),
    );
    await using _ = server;
    const resetNow = await resettable(port, "one\n", 0);
    await arrived.promise;
    await resetNow();
    const { ending } = await events.saw("connection");
    assert.equal(ending, "reset");
  },
});

Deno.test({
  name: "latency on a connection gives back in a drain what waits",
  ignore,
  async fn() {
    const { server, port } = await serve(echoThrough(() => latency(0.5)));
    using client = await Client.connect(port);
    await client.send("first\n");
    assert.equal(await client.receiveText(6), "first\n");
    await client.send("one\ntwo\n");
    const stopped = server.shutdown();
    assert.equal(text(await client.receiveAll()), "one\ntwo\n");
    client.close();
    await stopped;
  },
});

Deno.test({
  name: "latency on a connection is forgotten at the deadline of a drain",
  ignore,
  async fn() {
    const opened = Promise.withResolvers<void>();
    const handler = echoThrough(() => {
      opened.resolve();
      return latency(3600);
    });
    const { server, events, port } = await serve(handler, 0.1);
    using client = await Client.connect(port);
    await client.send("one\n");
    await opened.promise;
    await server.shutdown();
    assert.equal((await events.saw("connection")).bytesOut, 0);
  },
});

Deno.test({
  name: "blackhole on a connection gives nothing back but FIN",
  ignore,
  async fn() {
    const all = new AbortController();
    let taken = 0;
    const { server, events, port } = await serve(({ readable }) =>
      blackhole(
        readable.pipeThrough(tap((bytes) => {
          taken += bytes;
          if (taken === 1_000_000) all.abort();
        })),
        0,
        { signal: all.signal },
      )
    );
    await using _ = server;
    using client = await Client.connect(port);
    await client.send(new Uint8Array(1_000_000));
    assert.equal((await client.receiveAll()).length, 0);
    client.close();
    const { ending, bytesIn } = await events.saw("connection");
    assert.deepEqual([ending, bytesIn], ["closed", 1_000_000]);
  },
});

Deno.test({
  name: "faultStages on a connection give back every byte",
  ignore,
  async fn() {
    const faults = { seed: 1, jitter: 0.01, rate: 5_000_000, slice: 1000 };
    const { server, port } = await serve(({ readable, writable, signal }) =>
      faultStages(faults, 1, "line")
        .reduce(
          (bytes, stage) => bytes.pipeThrough(stage),
          readable.pipeThrough(new LineStream()),
        )
        .pipeTo(writable, { signal })
    );
    await using _ = server;
    using client = await Client.connect(port);
    const all = bytes("0123456789abcde\n".repeat(20_000));
    const received = client.receiveAll();
    await client.send(all);
    await client.closeWrite();
    assert.deepEqual(await received, all);
  },
});
