import assert from "node:assert/strict";
import type {
  AdminSnapshot,
  AdminSource,
  ConnectionInfo,
} from "../../../lib/admin/source.ts";
import { Updates } from "../../../lib/admin/updates.ts";
import { Counters } from "../../../lib/telemetry/counters.ts";

const TCP = "tcp://127.0.0.1:1050";
const UDP = "udp://127.0.0.1:1050";

/** A server with two listeners, and a clock that stands still. */
class Still implements AdminSource {
  readonly name = "echo";
  readonly version = "1.2.3";
  readonly tcp = new Counters();
  readonly udp = new Counters();
  open: ConnectionInfo[] = [];
  draining = false;
  now = 100;
  readonly updates = new Updates(this, () => this.now);

  ready(): boolean {
    return !this.draining;
  }

  snapshot(): Promise<AdminSnapshot> {
    return Promise.resolve({
      listeners: [
        { listener: TCP, ...this.tcp.snapshot() },
        { listener: UDP, ...this.udp.snapshot() },
      ],
      restarts: 2,
    });
  }

  connections(): Promise<{ total: number; connections: ConnectionInfo[] }> {
    return Promise.resolve({ total: this.open.length, connections: this.open });
  }
}

function connection(
  number: number,
  bytes: number,
  seconds = 0,
): ConnectionInfo {
  const peer = `192.0.2.1:${number}`;
  return {
    connection: number,
    listener: TCP,
    peer,
    client: peer,
    bytesIn: bytes,
    bytesOut: bytes,
    seconds,
  };
}

Deno.test("Updates tell who the server is and how it does", async () => {
  const source = new Still();
  source.now += 7;
  const { name, version, ready, uptime, restarts } = await source.updates
    .next();
  assert.deepEqual(
    { name, version, ready, uptime, restarts },
    { name: "echo", version: "1.2.3", ready: true, uptime: 7, restarts: 2 },
  );
  source.draining = true;
  assert.equal((await source.updates.next()).ready, false);
});

Deno.test("Updates tell how fast each listener and all together grow", async () => {
  const source = new Still();
  await source.updates.next();
  source.tcp.accept();
  source.tcp.close("closed", 1, 300, 100);
  source.udp.datagramIn(50);
  source.now += 2;
  const { total, listeners } = await source.updates.next();
  assert.deepEqual(
    [total, ...listeners].map((of) => [
      of.acceptedRate,
      of.bytesInRate,
      of.bytesOutRate,
    ]),
    [[0.5, 175, 50], [0.5, 150, 50], [0, 25, 0]],
  );
});

Deno.test("Updates tell no rate without a recent update before", async () => {
  const source = new Still();
  assert.equal((await source.updates.next()).total.bytesInRate, null);
  source.now += 3_600;
  assert.equal((await source.updates.next()).total.bytesInRate, null);
  source.now += 1;
  assert.equal((await source.updates.next()).total.bytesInRate, 0);
});

Deno.test("Updates tell no negative rate of a listener that counts anew", async () => {
  let counters = new Counters();
  const source = new Still();
  source.snapshot = () =>
    Promise.resolve({
      listeners: [{ listener: TCP, ...counters.snapshot() }],
      restarts: 0,
    });
  counters.close("closed", 1, 10, 10);
  await source.updates.next();
  counters = new Counters();
  source.now += 1;
  assert.equal((await source.updates.next()).total.bytesInRate, 0);
});

Deno.test("Updates tell the ten that moved most since the update before", async () => {
  const source = new Still();
  source.open = Array.from({ length: 20 }, (_, i) => connection(i, 1_000 - i));
  await source.updates.next();
  source.open = source.open.map((of) =>
    connection(of.connection, of.bytesIn + of.connection)
  );
  source.now += 2;
  const { busiest } = await source.updates.next();
  assert.deepEqual(
    busiest.map(({ connection, bytesRate }) => [connection, bytesRate]),
    [19, 18, 17, 16, 15, 14, 13, 12, 11, 10].map((n) => [n, n]),
  );
});

Deno.test("Updates tell the average of a connection that is new", async () => {
  const source = new Still();
  source.open = [connection(1, 100, 10), connection(2, 100, 0.01)];
  const { busiest } = await source.updates.next();
  assert.deepEqual(
    busiest.map(({ connection, bytesRate }) => [connection, bytesRate]),
    [[2, 200], [1, 20]],
  );
});
