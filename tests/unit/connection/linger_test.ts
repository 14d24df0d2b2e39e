import assert from "node:assert/strict";
import { linger } from "../../../lib/connection/linger.ts";
import { reads } from "../../../lib/connection/read_scheduler.ts";
import { Socket } from "../../../lib/connection/socket.ts";
import { bytes } from "../../support/client.ts";
import { MemoryWire } from "../../support/memory_wire.ts";

const CONTEXT = {
  pulse: { sweeps: 0 },
  finishesLines: true,
  readPerSweep: 0,
  isDirect: true,
};

Deno.test("linger closes after the client's FIN, and not before", async () => {
  const wire = MemoryWire.open();
  const socket = new Socket(wire, CONTEXT);
  const lingering = linger(socket, 0);
  wire.push(bytes("dropped"));
  await new Promise<void>((resolve) => reads.round(resolve));
  assert.deepEqual([wire.finished, wire.closed], [true, false]);
  wire.end();
  await lingering;
  assert.equal(wire.closed, true);
  assert.equal(socket.bytesIn, 0);
});

Deno.test("linger closes in the end though the FIN cannot be sent", async () => {
  const wire = new MemoryWire();
  const stuck = Promise.withResolvers<void>();
  wire.closeWrite = () => stuck.promise;
  const socket = new Socket(wire, CONTEXT, () => {
    stuck.reject(new Error("closed"));
  });
  assert.equal(await socket.read(new Uint8Array(10)), null);
  await linger(socket, 0);
  assert.equal(wire.closed, true);
});
