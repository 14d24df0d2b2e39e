/**
 * A client that does anything at all.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Client, reset } from "./client.ts";
import { Random } from "./random.ts";

/** What a client sends at most; more than the limit of a line. */
const MOST = 160 * 1024;

/** What strangers say first, a character a byte. */
const HELLOS = [
  "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "SSH-2.0-OpenSSH_9.9\r\n",
  "EHLO localhost\r\n",
  "\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03",
  "\xff\xfd\x18\xff\xfd\x20\xff\xfb\x03",
  "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
  "\0\0\0\0",
];

function content(random: Random): Uint8Array<ArrayBuffer> {
  const length = random.below(random.pick([10, 1000, MOST]));
  switch (random.below(5)) {
    case 0:
      return Uint8Array.from(
        random.pick(HELLOS).repeat(1 + random.below(20)),
        (character) => character.charCodeAt(0),
      );
    case 1:
      return new Uint8Array(length).fill(0x0a);
    case 2:
      return new Uint8Array(length).fill(0x78);
    default:
      return random.bytes(length, random.pick([0, 2, 80, 5000]));
  }
}

/**
 * Is any client: what it sends, in which pieces, when it reads and how it ends
 * is up to `random`. What comes back must be what it sent, in order, and all of
 * it if it waits for that.
 *
 * @param where A port of 127.0.0.1, or an address as the log has it.
 * @returns How many bytes came back and were compared.
 */
export async function anyClient(
  where: number | string,
  random: Random,
): Promise<number> {
  const all = content(random);
  const end = random.pick(["FIN", "FIN", "close", "reset"]);
  // Only TCP has one.
  if (end === "reset" && typeof where === "number") {
    // Only so much is sure to come back as a whole line holds.
    const echoed = random.below(1 + all.indexOf(0x0a) + 1);
    await reset(where, all, echoed);
    return 0;
  }
  using client = typeof where === "number"
    ? await Client.connect(where)
    : await Client.to(where);
  const enough = end === "FIN" ? Infinity : random.below(all.length + 1);
  const eager = random.pick([true, false]);
  // A sequence of its own: sending and receiving interleave in their own way
  // each time.
  const sending = send(
    client,
    all,
    new Random(random.below(2 ** 32)),
    end === "FIN",
  );
  // Awaited below, whatever is received before.
  sending.catch(() => {});
  if (!eager) await sending;
  let received = 0;
  // Without FIN, the rest of a line never comes.
  const wholeLines = all.lastIndexOf(0x0a) + 1;
  while (end === "FIN" || received < Math.min(enough, wholeLines)) {
    const part = await client.receive();
    if (part === null) {
      assert.equal(end, "FIN", "the server ended it first");
      break;
    }
    assert.deepEqual(part, all.slice(received, received + part.length));
    received += part.length;
    if (random.below(4) === 0) await pause(random);
  }
  if (end === "FIN") {
    assert.equal(received, all.length);
    await sending;
  }
  client.close();
  // One that does not wait for FIN may close before all is sent.
  await sending.catch(() => {});
  return received;
}

/**
 * Is a client that does not know what it is connected to: it sends anything, and
 * nothing that comes back is wrong.
 */
export async function anyStranger(port: number, random: Random): Promise<void> {
  const all = content(random);
  if (random.below(3) === 0) return await reset(port, all);
  using client = await Client.connect(port);
  // The server may close before all is sent, and then resets.
  await send(client, all, random, random.pick([true, false])).catch(() => {});
}

async function send(
  client: Client,
  all: Uint8Array,
  random: Random,
  fin: boolean,
): Promise<void> {
  const most = random.pick([1 + all.length / 50, 1 + all.length / 5, MOST]);
  for (let at = 0; at < all.length;) {
    const piece = all.subarray(at, at + 1 + random.below(most));
    await client.send(piece);
    at += piece.length;
    if (random.below(4) === 0) await pause(random);
  }
  if (fin) await client.closeWrite();
}

/** A client takes its time. */
function pause(random: Random): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, random.below(5)));
}
