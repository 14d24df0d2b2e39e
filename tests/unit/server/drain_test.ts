import assert from "node:assert/strict";
import fc from "fast-check";
import { SocketConnection } from "../../../lib/connection/connection.ts";
import { linger } from "../../../lib/connection/linger.ts";
import { reads } from "../../../lib/connection/read_scheduler.ts";
import { type Pulse, Socket } from "../../../lib/connection/socket.ts";
import { LineStream } from "../../../lib/lines/line_stream.ts";
import { drain, kernelHolds } from "../../../lib/server/drain.ts";
import { eventLoopTurn } from "../../../lib/util/async.ts";
import { KernelWire } from "../../support/kernel_wire.ts";

/** Connections over wires in memory, served as the server does. */
class Served {
  readonly open = new Set<
    { socket: Socket; admitting: boolean; end(): void }
  >();
  readonly #pulse: Pulse = { sweeps: 0 };
  readonly #emptied = Promise.withResolvers<void>();

  serve(wire: KernelWire, options: { fused?: boolean; raw?: boolean } = {}) {
    const { fused = true, raw = false } = options;
    const context = {
      pulse: this.#pulse,
      finishesLines: !raw,
      readPerSweep: 10_000,
      isDirect: true,
    };
    const socket = new Socket(wire, context, () => {
      this.open.delete(connection);
      if (this.open.size === 0) this.#emptied.resolve();
    });
    const connection = { socket, admitting: false, end: () => socket.close() };
    this.open.add(connection);
    const { readable, writable } = new SocketConnection(socket);
    const lines = raw ? readable : readable.pipeThrough(new LineStream());
    const echoed = fused
      ? lines.pipeTo(writable)
      : lines.pipeThrough(new TransformStream()).pipeTo(writable);
    echoed.then(() => linger(socket, 0)).catch(() => socket.close());
    return socket;
  }

  drain(timeout: number): Promise<void> {
    return drain({
      open: this.open,
      pulse: this.#pulse,
      emptied: this.#emptied.promise,
      timeout,
    });
  }
}

/** Answers our FIN as clients do. */
function closesAfterFin(wire: KernelWire): void {
  wire.ended().then(() => wire.end());
}

for (const fused of [true, false]) {
  const pipe = fused ? "fused" : "standard";

  Deno.test(`drain gives back what the kernel held, however late it answers (${pipe})`, () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            turns: fc.integer({ min: 1, max: 61 }),
            before: fc.constantFrom("", "a line\n", "two\nlines\n"),
            atSignal: fc.constantFrom("", "late\n", "very\nlate\n"),
          }),
          { minLength: 1, maxLength: 20 },
        ),
        async (clients) => {
          const served = new Served();
          const wires = clients.map(({ turns, before }) => {
            const wire = new KernelWire(turns);
            closesAfterFin(wire);
            wire.send(before);
            served.serve(wire, { fused });
            return wire;
          });
          await eventLoopTurn();
          for (const [i, { atSignal }] of clients.entries()) {
            wires[i]!.send(atSignal);
          }
          await served.drain(60);
          for (const [i, { before, atSignal }] of clients.entries()) {
            assert.equal(wires[i]!.output, before + atSignal);
          }
        },
      ),
      { numRuns: 25 },
    ));

  Deno.test(`drain lets a client finish its line, and no more (${pipe})`, async () => {
    const served = new Served();
    const wire = new KernelWire();
    closesAfterFin(wire);
    wire.send("begun");
    served.serve(wire, { fused });
    const drained = served.drain(60);
    await new Promise<void>((resolve) => reads.round(resolve));
    await new Promise<void>((resolve) => reads.round(resolve));
    assert.equal(wire.finished, false);
    wire.send(" and ended\n");
    await wire.ended();
    wire.send("one more\n");
    await drained;
    assert.equal(wire.output, "begun and ended\n");
  });

  Deno.test(`drain sends the tail at the deadline (${pipe})`, async () => {
    const served = new Served();
    const wire = new KernelWire();
    closesAfterFin(wire);
    wire.send("never ended");
    served.serve(wire, { fused });
    await new Promise<void>((resolve) => reads.round(resolve));
    await served.drain(0.01);
    assert.equal(wire.output, "never ended");
    assert.equal(wire.closed, true);
  });
}

Deno.test("drain ends a raw connection in the middle of a line", async () => {
  const served = new Served();
  const wire = new KernelWire();
  closesAfterFin(wire);
  wire.send("no line end");
  served.serve(wire, { raw: true });
  await served.drain(60);
  assert.equal(wire.output, "no line end");
});

Deno.test("drain waits for an echo that is stuck, and then for what is left", async () => {
  const served = new Served();
  const wire = new KernelWire();
  closesAfterFin(wire);
  wire.stuck = true;
  wire.send("one\n");
  served.serve(wire);
  await new Promise<void>((resolve) => reads.round(resolve));
  const drained = served.drain(60);
  wire.send("two\n");
  await new Promise<void>((resolve) => reads.round(resolve));
  assert.equal(wire.finished, false);
  wire.unblock();
  await drained;
  assert.equal(wire.output, "one\ntwo\n");
});

Deno.test("drain reads no further than what the kernel can have held", async () => {
  const served = new Served();
  const wire = new KernelWire(1);
  closesAfterFin(wire);
  // A client that never stops sending.
  const line = "x".repeat(99_999) + "\n";
  let sent = 0;
  const { write } = wire;
  wire.write = (bytes) => {
    wire.send(line);
    sent += line.length;
    return write.call(wire, bytes);
  };
  wire.send(line);
  served.serve(wire);
  await served.drain(60);
  assert.ok(
    sent < kernelHolds(1) + 10 * line.length,
    `${sent} bytes were read`,
  );
});

Deno.test("drain ends at once a connection that is still being admitted", async () => {
  const served = new Served();
  const wire = new KernelWire();
  served.serve(wire);
  for (const connection of served.open) connection.admitting = true;
  await served.drain(60);
  assert.equal(wire.closed, true);
});

Deno.test("drain of no seconds closes at once", async () => {
  const served = new Served();
  const wires = [new KernelWire(), new KernelWire()];
  for (const wire of wires) served.serve(wire);
  await served.drain(0);
  assert.deepEqual(wires.map(({ closed }) => closed), [true, true]);
});

Deno.test("kernelHolds allows a few connections more than each of many", () => {
  const MIB = 1024 * 1024;
  assert.deepEqual([1, 4, 8, 16, 10_000].map(kernelHolds), [
    32 * MIB,
    32 * MIB,
    16 * MIB,
    8 * MIB,
    8 * MIB,
  ]);
});
