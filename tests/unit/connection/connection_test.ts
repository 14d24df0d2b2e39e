import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Connection,
  SocketConnection,
} from "../../../lib/connection/connection.ts";
import { READ_BUFFER } from "../../../lib/lines/line_buffer.ts";
import { type Handler, LineStream, slice } from "../../../lib/mod.ts";
import { Socket } from "../../../lib/connection/socket.ts";
import type { Wire } from "../../../lib/net/transport.ts";
import { chunks, joined, limits } from "../../support/chunks.ts";
import { bytes, Client, text } from "../../support/client.ts";
import { MemoryWire } from "../../support/memory_wire.ts";
import { NET } from "../../support/program.ts";

type Echo = (connection: Connection, lines: LineStream) => Promise<void>;

const identity = () => new TransformStream<Uint8Array, Uint8Array>();

/** Gives back what is read, as a program without pipes would. */
async function copy(
  readable: ReadableStream<Uint8Array>,
  writable: WritableStream<Uint8Array>,
): Promise<void> {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  for (let read; !(read = await reader.read()).done;) {
    await writer.write(read.value);
  }
  await writer.close();
}

/**
 * Every way from the readable end to the writable one: the fused pipe first,
 * then the standard roads.
 */
const ROADS: Record<string, Echo> = {
  "lines, fused": ({ readable, writable }, lines) =>
    readable.pipeThrough(lines).pipeTo(writable),
  "raw, fused": ({ readable, writable }) => readable.pipeTo(writable),
  "lines behind a transform": ({ readable, writable }, lines) =>
    readable.pipeThrough(identity()).pipeThrough(lines).pipeTo(writable),
  "lines before a transform": ({ readable, writable }, lines) =>
    readable.pipeThrough(lines).pipeThrough(identity()).pipeTo(writable),
  "raw, through a transform": ({ readable, writable }) =>
    readable.pipeThrough(identity()).pipeTo(writable),
  "lines, with options": ({ readable, writable }, lines) =>
    readable.pipeThrough(lines, {}).pipeTo(writable, {}),
  "lines, twice": ({ readable, writable }, lines) =>
    readable.pipeThrough(lines).pipeThrough(new LineStream()).pipeTo(writable),
  "raw, by hand": ({ readable, writable }) => copy(readable, writable),
  "lines, by hand": ({ readable, writable }, lines) =>
    copy(readable.pipeThrough(lines), writable),
  "lines, by hand from the LineStream": ({ readable, writable }, lines) => {
    readable.pipeThrough(lines);
    return copy(lines.readable, writable);
  },
  "lines, into the LineStream": async ({ readable, writable }, lines) => {
    await Promise.all([
      readable.pipeTo(lines.writable),
      lines.readable.pipeTo(writable),
    ]);
  },
  "raw, as the body of a Response": ({ readable, writable }) =>
    new Response(readable).body!.pipeTo(writable),
  "raw, from an iterable": ({ readable, writable }) =>
    ReadableStream.from(readable).pipeTo(writable),
  "raw, from a tee": async ({ readable, writable }) => {
    const [one, other] = readable.tee();
    // A branch that is cancelled waits for the other.
    const piped = one.pipeTo(writable, { preventCancel: true });
    await Promise.all([piped, other.pipeTo(nowhere())]);
  },
};

function nowhere(): WritableStream<Uint8Array> {
  return new WritableStream();
}

function connectionOver(wire: MemoryWire): SocketConnection {
  return new SocketConnection(socketOver(wire));
}

function socketOver(wire: Wire): Socket {
  return new Socket(wire, {
    pulse: { sweeps: 0 },
    finishesLines: true,
    readPerSweep: 10_000,
    isDirect: true,
  });
}

for (const [road, echo] of Object.entries(ROADS)) {
  Deno.test(`SocketConnection gives back any bytes in any chunks (${road})`, () =>
    fc.assert(fc.asyncProperty(
      chunks,
      limits,
      fc.oneof(fc.constant(Infinity), fc.integer({ min: 1000, max: 100_000 })),
      async (input, maxLineLength, mostTaken) => {
        const wire = new MemoryWire(input, mostTaken);
        await echo(connectionOver(wire), new LineStream({ maxLineLength }));
        assert.deepEqual(wire.output, joined(input));
        assert.equal(wire.finished, true);
      },
    )));

  Deno.test(`SocketConnection writes a byte at a time if it must (${road})`, async () => {
    const wire = new MemoryWire([bytes("one\ntwo\nth"), bytes("ree")], 1);
    await echo(connectionOver(wire), new LineStream());
    assert.equal(text(wire.output), "one\ntwo\nthree");
  });

  Deno.test(`SocketConnection fails the pipe when the client resets (${road})`, async () => {
    const wire = new MemoryWire([bytes("one\n")]);
    const connection = connectionOver(wire);
    wire.readError = new Deno.errors.ConnectionReset("reset");
    await assert.rejects(
      echo(connection, new LineStream()),
      Deno.errors.ConnectionReset,
    );
    assert.equal(wire.finished, false);
  });

  Deno.test(`SocketConnection fails the pipe when it cannot write (${road})`, async () => {
    const wire = MemoryWire.open();
    const connection = connectionOver(wire);
    wire.writeError = new Deno.errors.BrokenPipe("broken");
    const echoing = echo(connection, new LineStream());
    wire.push(bytes("one\n"));
    await assert.rejects(echoing, Deno.errors.BrokenPipe);
    wire.close();
  });
}

Deno.test("Socket counts what it had sent before a write failed", async () => {
  const wire = new MemoryWire();
  wire.write = async (bytes) => {
    if (bytes.length < 7) throw new Deno.errors.BrokenPipe("broken");
    return await Promise.resolve(3);
  };
  const socket = socketOver(wire);
  await assert.rejects(
    socket.write(bytes("seven b")),
    Deno.errors.BrokenPipe,
  );
  assert.equal(socket.bytesOut, 3);
});

for (const [road, echo] of Object.entries(ROADS)) {
  Deno.test({
    name: `SocketConnection gives back any bytes over a socket (${road})`,
    ignore: !NET,
    fn: () =>
      fc.assert(
        fc.asyncProperty(chunks, limits, async (input, maxLineLength) => {
          await using pair = await SocketPair.open();
          const echoing = echo(
            new SocketConnection(socketOver(pair.server)),
            new LineStream({ maxLineLength }),
          );
          const received = pair.client.receiveAll();
          for (const chunk of input) await pair.client.send(chunk);
          await pair.client.closeWrite();
          assert.deepEqual(await received, joined(input));
          await echoing;
        }),
        { numRuns: 20 },
      ),
  });
}

/** Both ends of a connection. */
class SocketPair {
  constructor(readonly client: Client, readonly server: Deno.TcpConn) {}

  static async open(): Promise<SocketPair> {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const accepted = listener.accept();
    const client = await Client.connect(listener.addr.port);
    return new SocketPair(client, await accepted);
  }

  // deno-lint-ignore require-await -- for `await using`
  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    this.server.close();
  }
}

Deno.test("SocketConnection, fused, sends the whole lines of a read in one write", async () => {
  const wire = new MemoryWire([bytes("a\nb\nc"), bytes("d\ne"), bytes("f")]);
  const { readable, writable } = connectionOver(wire);
  await readable.pipeThrough(new LineStream()).pipeTo(writable);
  assert.deepEqual(wire.writes.map(text), ["a\nb\n", "cd\n", "ef"]);
});

Deno.test("SocketConnection, fused, never asks for more than one read buffer", async () => {
  const longLine = new Uint8Array(4 * 1024 * 1024).fill(0x61);
  const wire = new MemoryWire([longLine]);
  const lines = new LineStream({ maxLineLength: longLine.length });
  const { readable, writable } = connectionOver(wire);
  await readable.pipeThrough(lines).pipeTo(writable);
  assert.equal(Math.max(...wire.asked), READ_BUFFER);
  assert.equal(wire.output.length, longLine.length);
});

Deno.test("SocketConnection, fused, does not read on while a write is stuck", async () => {
  const wire = MemoryWire.open();
  const stuck = Promise.withResolvers<number>();
  const writing = Promise.withResolvers<void>();
  let reads = 0;
  const read = wire.read.bind(wire);
  wire.read = (into) => {
    reads++;
    return read(into);
  };
  wire.write = () => {
    writing.resolve();
    return stuck.promise;
  };
  const { readable, writable } = connectionOver(wire);
  const piped = readable.pipeThrough(new LineStream()).pipeTo(writable);
  wire.push(bytes("one\n"));
  await writing.promise;
  wire.push(bytes("two\n"));
  assert.equal(reads, 1);
  stuck.resolve(4);
  wire.end();
  await piped;
});

Deno.test("SocketConnection gives a handler its streams, address and signal", () => {
  const wire = MemoryWire.open();
  const socket = socketOver(wire);
  const connection = new SocketConnection(socket);
  assert.ok(connection.readable instanceof ReadableStream);
  assert.ok(connection.writable instanceof WritableStream);
  assert.equal(connection.readable, connection.readable);
  assert.equal(connection.writable, connection.writable);
  assert.deepEqual(connection.remoteAddr, wire.remoteAddr);
  assert.equal(connection.signal.aborted, false);
  socket.giveUp("deadline");
  assert.equal(connection.signal.aborted, true);
});

Deno.test("SocketConnection can be read with for await", async () => {
  const { readable } = connectionOver(
    new MemoryWire([bytes("one\n"), bytes("two")]),
  );
  let all = "";
  for await (const chunk of readable) all += text(chunk);
  assert.equal(all, "one\ntwo");
});

Deno.test("SocketConnection gives out whole lines through a LineStream", async () => {
  const { readable } = connectionOver(
    new MemoryWire([bytes("one\ntw"), bytes("o\n"), bytes("three")]),
  );
  const lines = await Array.fromAsync(readable.pipeThrough(new LineStream()));
  assert.deepEqual(lines.map(text), ["one\n", "two\n", "three"]);
});

Deno.test("SocketConnection leaves the chunks to whoever reads them", async () => {
  const wire = new MemoryWire([bytes("one"), bytes("two"), bytes("three")]);
  const read: string[] = [];
  for await (const chunk of connectionOver(wire).readable) {
    read.push(text(chunk));
    structuredClone(chunk, { transfer: [chunk.buffer as ArrayBuffer] });
  }
  assert.deepEqual(read, ["one", "two", "three"]);
});

Deno.test("SocketConnection tells a reader of the client's FIN, and writes on", async () => {
  const wire = MemoryWire.open();
  const { readable, writable } = connectionOver(wire);
  const reader = readable.getReader();
  const read = reader.read();
  wire.end();
  assert.equal((await read).done, true);
  const writer = writable.getWriter();
  await writer.write(bytes("bye\n"));
  await writer.close();
  assert.equal(text(wire.output), "bye\n");
  assert.equal(wire.finished, true);
});

Deno.test("SocketConnection sends FIN when its writable closes, and reads on", async () => {
  const wire = MemoryWire.open();
  const { readable, writable } = connectionOver(wire);
  await writable.close();
  assert.equal(wire.finished, true);
  assert.equal(wire.closed, false);
  wire.push(bytes("late\n"));
  wire.end();
  const read = await Array.fromAsync(readable);
  assert.deepEqual(read.map(text), ["late\n"]);
});

Deno.test("SocketConnection closes when its writable aborts", async () => {
  const wire = MemoryWire.open();
  await connectionOver(wire).writable.abort(new Error("enough"));
  assert.equal(wire.closed, true);
  assert.equal(wire.finished, false);
});

Deno.test("SocketConnection reads nothing after its readable is cancelled", async () => {
  const wire = new MemoryWire([bytes("one\n")]);
  const socket = socketOver(wire);
  const { readable, writable } = new SocketConnection(socket);
  await readable.cancel();
  assert.equal(await socket.read(new Uint8Array(1)), null);
  assert.equal((await readable.getReader().read()).done, true);
  await writable.getWriter().write(bytes("two\n"));
  assert.equal(text(wire.output), "two\n");
});

Deno.test("SocketConnection can be written to after a pipe that prevents the close", async () => {
  const wire = new MemoryWire([bytes("one\n")]);
  const { readable, writable } = connectionOver(wire);
  await readable.pipeThrough(new LineStream())
    .pipeTo(writable, { preventClose: true });
  assert.equal(wire.finished, false);
  const writer = writable.getWriter();
  await writer.write(bytes("two\n"));
  await writer.close();
  assert.equal(text(wire.output), "one\ntwo\n");
});

Deno.test("SocketConnection ends a pipe whose signal aborts", async () => {
  const { readable, writable } = connectionOver(MemoryWire.open());
  const abort = new AbortController();
  const piped = readable.pipeTo(writable, { signal: abort.signal });
  abort.abort(new Error("enough"));
  await assert.rejects(piped, /enough/);
});

Deno.test("SocketConnection pipes into another connection", async () => {
  const from = new MemoryWire([bytes("one\ntwo")]);
  const to = MemoryWire.open();
  await connectionOver(from).readable.pipeThrough(new LineStream())
    .pipeTo(connectionOver(to).writable);
  assert.equal(text(to.output), "one\ntwo");
  assert.equal(from.finished, false);
  assert.equal(to.finished, true);
});

for (const road of ["lines, fused", "lines behind a transform"]) {
  const pipe = ROADS[road]!;

  Deno.test(`SocketConnection locks its readable while it is piped (${road})`, async () => {
    const wire = MemoryWire.open();
    const connection = connectionOver(wire);
    const piped = pipe(connection, new LineStream());
    const { readable } = connection;
    assert.equal(readable.locked, true);
    assert.throws(() => readable.getReader(), TypeError);
    assert.throws(() => readable.pipeThrough(new LineStream()), TypeError);
    assert.throws(() => readable.pipeThrough(identity()), TypeError);
    assert.throws(() => readable.tee(), TypeError);
    assert.throws(() => readable.values(), TypeError);
    await assert.rejects(readable.pipeTo(nowhere()), TypeError);
    await assert.rejects(readable.pipeTo(connection.writable), TypeError);
    await assert.rejects(readable.cancel(), TypeError);
    wire.push(bytes("one\n"));
    wire.end();
    await piped;
    assert.equal(text(wire.output), "one\n");
  });

  Deno.test(`SocketConnection locks its writable while it is piped to (${road})`, async () => {
    const wire = MemoryWire.open();
    const connection = connectionOver(wire);
    const piped = pipe(connection, new LineStream());
    const { writable } = connection;
    assert.equal(writable.locked, true);
    assert.throws(() => writable.getWriter(), TypeError);
    await assert.rejects(writable.close(), TypeError);
    await assert.rejects(writable.abort(), TypeError);
    const other = ReadableStream.from([bytes("not mine\n")]);
    await assert.rejects(other.pipeTo(writable), TypeError);
    wire.push(bytes("one\n"));
    wire.end();
    await piped;
    assert.equal(text(wire.output), "one\n");
  });

  Deno.test(`SocketConnection locks the LineStream that it is piped through (${road})`, async () => {
    const wire = MemoryWire.open();
    const lines = new LineStream();
    const piped = pipe(connectionOver(wire), lines);
    assert.equal(lines.readable.locked, true);
    assert.equal(lines.writable.locked, true);
    wire.end();
    await piped;
  });
}

Deno.test("SocketConnection locks its readable once it is piped through a LineStream", () => {
  const { readable, writable } = connectionOver(MemoryWire.open());
  readable.pipeThrough(new LineStream());
  assert.equal(readable.locked, true);
  assert.equal(writable.locked, false);
  assert.throws(() => readable.getReader(), TypeError);
});

Deno.test("SocketConnection does not pipe what a reader has locked", async () => {
  const { readable, writable } = connectionOver(MemoryWire.open());
  readable.getReader();
  assert.throws(() => readable.pipeThrough(new LineStream()), TypeError);
  await assert.rejects(readable.pipeTo(writable), TypeError);
  assert.equal(writable.locked, false);
});

Deno.test("SocketConnection does not pipe into what a writer has locked", async () => {
  const { readable, writable } = connectionOver(MemoryWire.open());
  writable.getWriter();
  await assert.rejects(readable.pipeTo(writable), TypeError);
  assert.equal(readable.locked, false);
  await assert.rejects(
    readable.pipeThrough(new LineStream()).pipeTo(writable),
    TypeError,
  );
});

Deno.test("SocketConnection can be piped after a reader has let go of it", async () => {
  const wire = new MemoryWire([bytes("first\n"), bytes("sec"), bytes("ond")]);
  const { readable, writable } = connectionOver(wire);
  const reader = readable.getReader();
  assert.equal(text((await reader.read()).value!), "first\n");
  reader.releaseLock();
  await readable.pipeThrough(new LineStream()).pipeTo(writable);
  assert.equal(text(wire.output), "second");
});

Deno.test("SocketConnection does not pipe through a LineStream that is in use", async () => {
  const lines = new LineStream();
  const writer = lines.writable.getWriter();
  const { readable } = connectionOver(new MemoryWire([bytes("one\n")]));
  assert.throws(() => readable.pipeThrough(lines), TypeError);
  await writer.abort();
});

Deno.test("SocketConnection does not share a LineStream with another", async () => {
  const lines = new LineStream();
  const wire = new MemoryWire([bytes("mine\n")]);
  const { readable, writable } = connectionOver(wire);
  const piped = readable.pipeThrough(lines).pipeTo(writable);
  const other = connectionOver(new MemoryWire([bytes("other\n")])).readable;
  assert.throws(() => other.pipeThrough(lines), TypeError);
  await piped;
  assert.equal(text(wire.output), "mine\n");
});

Deno.test("SocketConnection does not fuse a subclass of LineStream", async () => {
  class Twice extends LineStream {
    override get readable() {
      const twice = new TransformStream<
        Uint8Array<ArrayBuffer>,
        Uint8Array<ArrayBuffer>
      >({
        transform(chunk, controller) {
          controller.enqueue(chunk);
          controller.enqueue(chunk);
        },
      });
      return super.readable.pipeThrough(twice);
    }
  }
  const wire = new MemoryWire([bytes("one\n")]);
  const { readable, writable } = connectionOver(wire);
  await readable.pipeThrough(new Twice()).pipeTo(writable);
  assert.equal(text(wire.output), "one\none\n");
});

Deno.test("the streams of a connection fit those of the platform, by type too", async () => {
  const wire = new MemoryWire([bytes("one\n"), bytes("two\n")]);
  const { readable, writable } = connectionOver(wire);
  await readable
    .pipeThrough(new LineStream())
    .pipeThrough(slice(3))
    .pipeThrough(new CompressionStream("gzip"))
    .pipeThrough(new DecompressionStream("gzip"))
    .pipeTo(writable);
  assert.equal(text(wire.output), "one\ntwo\n");
});

Deno.test("a handler that knows bytes of any memory is one", async () => {
  const pipe = (from: ReadableStream<Uint8Array>, to: WritableStream) =>
    from.pipeThrough(new TransformStream<Uint8Array, Uint8Array>()).pipeTo(to);
  const handler: Handler = ({ readable, writable }) => pipe(readable, writable);
  const wire = new MemoryWire([bytes("one\n")]);
  await handler(connectionOver(wire));
  assert.equal(text(wire.output), "one\n");
});
