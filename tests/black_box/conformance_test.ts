import assert from "node:assert/strict";
import { type Client, connectAll } from "../support/client.ts";
import { PROGRAM, Program } from "../support/program.ts";
import { Random } from "../support/random.ts";

/**
 * Clients at once: RFC 862 asks for no number, a public test of echo servers
 * for five.
 */
const CLIENTS = 8;

/** Bytes that each client sends: more than the kernel's buffers take. */
const LENGTH = 1_000_000;

/** Sends in pieces of any length, and half-closes after the last. */
async function sendAll(client: Client, bytes: Uint8Array, random: Random) {
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + random.below(100_000);
    await client.send(bytes.subarray(at, end));
    at = end;
  }
  await client.closeWrite();
}

for (const mode of ["line", "raw"]) {
  Deno.test({
    name:
      `echoserver gives ${CLIENTS} clients at once their bytes back before it closes (${mode})`,
    ignore: !PROGRAM,
    fn: async () => {
      await using program = await Program.listening(["--mode", mode]);
      const clients = await connectAll(program.port, CLIENTS);
      await Promise.all(clients.map(async (client, seed) => {
        using _ = client;
        const random = new Random(seed);
        const bytes = random.bytes(LENGTH);
        const received = client.receiveAll();
        await sendAll(client, bytes, random);
        assert.deepEqual(await received, bytes);
      }));
    },
  });

  Deno.test({
    name: `echoserver closes no connection before its client's FIN (${mode})`,
    ignore: !PROGRAM,
    fn: async () => {
      await using program = await Program.listening(["--mode", mode]);
      const clients = await connectAll(program.port, CLIENTS);
      // The ends interleave: while one client ends, the others still get their
      // echo.
      for (const client of clients) {
        for (const other of clients.slice(clients.indexOf(client))) {
          assert.equal(await other.echo("\0\xff\n"), "\0\xff\n");
        }
        await client.send("tail");
        await client.closeWrite();
        assert.equal((await client.receiveAll()).length, 4);
        client.close();
      }
    },
  });
}
