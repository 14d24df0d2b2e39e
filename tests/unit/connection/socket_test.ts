import assert from "node:assert/strict";
import { reads } from "../../../lib/connection/read_scheduler.ts";
import { Socket } from "../../../lib/connection/socket.ts";
import type { Wire } from "../../../lib/net/transport.ts";
import { bytes } from "../../support/client.ts";
import { MemoryWire } from "../../support/memory_wire.ts";

const context = (finishesLines = true) => ({
  pulse: { sweeps: 0 },
  finishesLines,
  readPerSweep: 10_000,
  isDirect: true,
});

function socketOver(wire: Wire, finishesLines = true): Socket {
  return new Socket(wire, context(finishesLines));
}

Deno.test("Socket begins no read during a round", async () => {
  const wire = new MemoryWire([bytes("one\n")]);
  let asked: number[] | undefined;
  reads.round(() => asked = [...wire.asked]);
  assert.equal(await socketOver(wire).read(new Uint8Array(10)), 4);
  assert.deepEqual(asked, []);
});

for (const end of ["endInput", "close"] as const) {
  Deno.test(`Socket reads no more after ${end} during a round`, async () => {
    const wire = new MemoryWire([bytes("one\n")]);
    const socket = socketOver(wire);
    const round = new Promise<void>((resolve) => reads.round(resolve));
    const reading = socket.read(new Uint8Array(10));
    socket[end]();
    assert.equal(await reading, null);
    // The next test is to begin without one.
    await round;
    assert.deepEqual(wire.asked, []);
  });

  Deno.test(`Socket ends a pending read at ${end}`, async () => {
    const socket = socketOver(MemoryWire.open());
    const reading = socket.read(new Uint8Array(10));
    socket[end]();
    assert.equal(await reading, null);
    socket.close();
  });
}

Deno.test("Socket tells once that it has been closed", () => {
  let closes = 0;
  const socket = new Socket(MemoryWire.open(), context(), () => closes++);
  socket.close();
  socket.close();
  assert.equal(closes, 1);
});

Deno.test("Socket counts what it has sent, and sweeps without a move", async () => {
  const shared = context();
  const socket = new Socket(new MemoryWire([bytes("one\n")], 2), shared);
  shared.pulse.sweeps += 3;
  assert.equal(socket.sweepsIdle, 3);
  await socket.read(new Uint8Array(10));
  assert.equal(socket.sweepsIdle, 0);
  shared.pulse.sweeps++;
  assert.equal(socket.sweepsIdle, 1);
  await socket.write(bytes("seven b"));
  assert.equal(socket.sweepsIdle, 0);
  assert.deepEqual([socket.bytesIn, socket.bytesOut], [4, 7]);
});

Deno.test("Socket that drains a client in mid-line ends at its LF", async () => {
  const wire = MemoryWire.open();
  const socket = socketOver(wire);
  const buffer = new Uint8Array(10);
  wire.push(bytes("beg"));
  assert.equal(await socket.read(buffer), 3);
  socket.beginDrain(1000);
  const reading = socket.read(buffer);
  await Promise.resolve();
  socket.endDrain();
  wire.push(bytes("un"));
  assert.equal(await reading, 2);
  wire.push(bytes("\n"));
  assert.equal(await socket.read(buffer), 1);
  assert.equal(await socket.read(buffer), null);
  assert.equal(socket.reason, "drained");
  socket.close();
});

Deno.test("Socket that drains in raw mode ends in mid-line", async () => {
  const wire = MemoryWire.open();
  const socket = socketOver(wire, false);
  const buffer = new Uint8Array(10);
  wire.push(bytes("beg"));
  await socket.read(buffer);
  socket.beginDrain(1000);
  const reading = socket.read(buffer);
  await Promise.resolve();
  socket.endDrain();
  assert.equal(await reading, null);
  socket.close();
});
