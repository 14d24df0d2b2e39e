/**
 * What holds of every echo, whatever carries the stream, and in both modes.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { chunks, joined } from "../support/chunks.ts";
import { Client, text } from "../support/client.ts";
import { Random } from "../support/random.ts";
import { CARRIES, serveOver, STREAMS } from "../support/transports.ts";

/**
 * Clients at once: RFC 862 asks for no number, a public test of echo servers
 * for five.
 */
const CLIENTS = 8;

/** Bytes that each client sends: more than the kernel's buffers take. */
const LENGTH = 1_000_000;

/** Streams that are tried of any that there are. */
const RUNS = 25;

function clientsOf(address: string): Promise<Client[]> {
  return Promise.all(
    Array.from({ length: CLIENTS }, () => Client.to(address)),
  );
}

/** Sends in pieces of any length, and half-closes after the last. */
async function sendAll(client: Client, bytes: Uint8Array, random: Random) {
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + random.below(100_000);
    await client.send(bytes.subarray(at, end));
    at = end;
  }
  await client.closeWrite();
}

for (const stream of STREAMS) {
  for (const mode of ["line", "raw"]) {
    const over = `${stream}, ${mode}`;
    const test = (name: string, fn: (address: string) => Promise<void>) =>
      Deno.test({
        name: `echoserver ${name} (${over})`,
        ignore: !CARRIES[stream],
      }, async () => {
        // A short limit, so that lines fall short of it and exceed it.
        const parameters = `mode=${mode}&max-line-length=1000`;
        await using program = await serveOver(stream, parameters);
        await fn(program.address);
        program.kill();
        const { code, stderr } = await program.ended();
        assert.equal(code, 0, stderr);
      });

    test(
      `gives ${CLIENTS} clients at once their bytes back before it closes`,
      async (address) => {
        const clients = await clientsOf(address);
        await Promise.all(clients.map(async (client, seed) => {
          using _ = client;
          const random = new Random(seed);
          const bytes = random.bytes(LENGTH);
          const received = client.receiveAll();
          await sendAll(client, bytes, random);
          assert.deepEqual(await received, bytes);
        }));
      },
    );

    test("closes no connection before its client's FIN", async (address) => {
      const clients = await clientsOf(address);
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
    });

    test("gives any bytes back, in whatever chunks they come", (address) =>
      fc.assert(
        fc.asyncProperty(chunks, async (parts) => {
          using client = await Client.to(address);
          const received = client.receiveAll();
          for (const part of parts) await client.send(part);
          await client.closeWrite();
          assert.deepEqual(await received, joined(parts));
        }),
        { numRuns: RUNS },
      ));

    Deno.test({
      name: `echoserver gives back what had arrived at the signal (${over})`,
      ignore: !CARRIES[stream] || Deno.build.os === "windows",
    }, async () => {
      await using program = await serveOver(stream, `mode=${mode}`);
      const clients = await clientsOf(program.address);
      for (const client of clients) {
        assert.equal(await client.echo("in\n"), "in\n");
      }
      // More than one read finds, and less than fills a window.
      const lines = Array.from({ length: 4000 }, (_, i) => `${i}\n`).join("");
      program.kill("SIGSTOP");
      for (const client of clients) await client.send(lines);
      program.kill("SIGTERM");
      program.kill("SIGCONT");
      for (const client of clients) {
        assert.equal(text(await client.receiveAll()), lines);
        client.close();
      }
      const { code, stderr } = await program.ended();
      assert.equal(code, 0);
      assert.match(stderr, RegExp(`draining ${CLIENTS} connections`));
      const moved = CLIENTS * (3 + lines.length);
      assert.match(
        stderr,
        RegExp(`${CLIENTS} connections served, ${moved} bytes in, ${moved} `),
      );
    });
  }

  Deno.test({
    name: `a client in mid-line may finish it in a drain (${stream})`,
    ignore: !CARRIES[stream] || Deno.build.os === "windows",
  }, async () => {
    const args = ["--shutdown-timeout", "86400"];
    await using program = await serveOver(stream, "", args);
    using silent = await Client.to(program.address);
    assert.equal(await silent.echo("in\n"), "in\n");
    using client = await Client.to(program.address);
    await client.send("whole\nhalf");
    assert.equal(await client.receiveText(6), "whole\n");
    program.kill();
    assert.equal(await silent.receive(), null);
    silent.close();
    await client.send(" a line\n");
    assert.equal(text(await client.receiveAll()), "half a line\n");
    client.close();
    assert.equal((await program.ended()).code, 0);
  });

  Deno.test({
    name: `a client in mid-line gets what is held at the deadline (${stream})`,
    ignore: !CARRIES[stream] || Deno.build.os === "windows",
  }, async () => {
    const args = ["--shutdown-timeout", "1"];
    await using program = await serveOver(stream, "", args);
    using client = await Client.to(program.address);
    await client.send("whole\nhalf");
    assert.equal(await client.receiveText(6), "whole\n");
    program.kill();
    assert.equal(text(await client.receiveAll()), "half");
    client.close();
    assert.equal((await program.ended()).code, 0);
  });
}
