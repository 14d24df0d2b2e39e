/**
 * Listeners that misbehave because they were asked to, beside good ones.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { chunks, joined } from "../support/chunks.ts";
import { bytes, Client, netAddress, text } from "../support/client.ts";
import { Flood } from "../support/flood.ts";
import { Metrics } from "../support/metrics.ts";
import { GUARD, PROGRAM, Program, until } from "../support/program.ts";
import { CARRIES, serveOver, STREAMS } from "../support/transports.ts";
import { UdpClient } from "../support/udp_client.ts";

const ignore = !PROGRAM || Deno.build.os === "windows";

/** Lines that must be answered beside a flood: by chance, one always may. */
const ROUNDS = 10;

/** Milliseconds that a timer may be early, as its clock has no fractions. */
const EARLY = 2;

/** Starts it with listeners on free ports of 127.0.0.1 that have these faults. */
function serve(
  faults: string[],
  ...args: string[]
): Promise<Program & { addresses: string[] }> {
  return Program.listeningAt(
    faults.map((fault) => `tcp://127.0.0.1:0?${fault}`),
    args,
  );
}

/** Milliseconds that it takes. */
async function timed(fn: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await fn();
  return performance.now() - start;
}

/** Sends all, half-closes, and gives back what comes. */
async function through(
  address: string,
  ...parts: (string | Uint8Array)[]
): Promise<Uint8Array> {
  using client = await Client.to(address);
  const received = client.receiveAll();
  for (const part of parts) await client.send(part);
  await client.closeWrite();
  return await received;
}

Deno.test({
  name: "bad ports misbehave each in its way, and the good one does not",
  ignore,
}, async () => {
  await using program = await serve([
    "latency=300ms",
    "rate=10k",
    "slice=3",
    "limit=10",
    "corrupt=0.05&seed=7",
    "mode=line",
  ]);
  const [late, slow, sliced, limited, corrupt, good] = program.addresses;

  const delays = async () => {
    using client = await Client.to(late!);
    using other = await Client.to(good!);
    const lines = Array.from({ length: GUARD / 300 + 1 }, (_, i) => `${i}\n`);
    const all = lines.join("");
    const took = await timed(async () => {
      for (const line of lines) {
        await client.send(line);
        // It is read by itself.
        assert.equal(await other.echo("turn\n"), "turn\n");
      }
      assert.equal(await client.receiveText(all.length), all);
    });
    // One after the other, they would take longer than anything may.
    assert.ok(took >= 300 - EARLY && took < GUARD, `${took} ms`);
  };
  const rate = async () => {
    const lines = "0123456789abcde\n".repeat(750);
    const took = await timed(async () => {
      assert.equal(text(await through(slow!, lines)), lines);
    });
    // 100 ms of it may come at once.
    assert.ok(took >= 1000, `${took} ms`);
  };
  const slices = async () => {
    using client = await Client.to(sliced!);
    const line = "0123456789".repeat(300) + "\n";
    // Whole lines come only to a client that has been slow to read.
    await until(async () => {
      await client.send(line);
      const first = (await client.receive())!;
      const rest = await client.receiveText(line.length - first.length);
      assert.equal(text(first) + rest, line);
      assert.ok(first.length < line.length, `${first.length} bytes at once`);
    });
  };
  const limit = async () => {
    using client = await Client.to(limited!);
    await client.send("0123456789 and more\n");
    assert.equal(text(await client.receiveAll()), "0123456789");
    // What is sent behind the FIN is dropped, and is no reason for a reset.
    for (let i = 0; i < 10; i++) await client.send("too late\n");
    await client.closeWrite();
    assert.equal(await client.receive(), null);
  };
  const corruption = async () => {
    const sent = new Uint8Array(20_000).fill(0x78);
    const back = await through(corrupt!, sent);
    assert.equal(back.length, sent.length);
    const wrong = back.filter((byte) => byte !== 0x78).length;
    assert.ok(wrong > 700 && wrong < 1300, `${wrong} of 20,000 are wrong`);
  };
  const none = async () => {
    using client = await Client.to(good!);
    for (let i = 0; i < 100; i++) {
      assert.equal(await client.echo(`${i}\n`), `${i}\n`);
    }
  };
  await Promise.all([delays, rate, slices, limit, corruption, none]
    .map((check) => check()));
});

Deno.test({
  name: "floods of bad ports keep nobody of the good one waiting",
  ignore,
}, async () => {
  // Four times what a server may do for the flood before it looks for others,
  // and less than what it does if it does not look by itself.
  const floods = {
    "slice=1": 4000,
    "corrupt=1": 2 * 1024 * 1024,
    "latency=20ms&slice=4096": 4 * 1024 * 1024,
  };
  await using program = await serve(["mode=line", ...Object.keys(floods)]);
  const [good, ...bad] = program.addresses;
  using client = await Client.to(good!);
  assert.equal(await client.echo("here\n"), "here\n");
  for (const [i, bytes] of Object.values(floods).entries()) {
    using flood = await Flood.start(netAddress(bad[i]!).port, 20);
    for (let i = 0; i < ROUNDS; i++) {
      await flood.assertAnswered(program, client, bytes);
    }
    program.kill("SIGCONT");
  }
});

Deno.test({
  name: "the same seed brings the same faults, however the bytes are cut",
  ignore,
}, async () => {
  const faults = "corrupt=0.1&slice=7";
  const lines = bytes("any line of text\n".repeat(300));
  await using first = await serve([faults]);
  const [, seed] = await first.saw(/ info faults of \S+ have seed (\d+)\n/);
  assert.ok(
    first.stderr.indexOf("seed") < first.stderr.indexOf("listening on"),
  );
  const [one, two] = [
    await through(first.addresses[0]!, lines),
    await through(first.addresses[0]!, lines),
  ];
  assert.notDeepEqual(one, two);

  await first.saw(/ info faults of \S+: slice 7 bytes, corrupt 0\.1\n/);

  await using again = await serve([`${faults}&seed=${seed}`]);
  const address = again.addresses[0]!;
  const cut = Array.from(
    { length: Math.ceil(lines.length / 100) },
    (_, i) => lines.subarray(100 * i, 100 * (i + 1)),
  );
  assert.deepEqual(await through(address, ...cut), one);
  assert.deepEqual(await through(address, lines), two);
  // Whoever gave it knows it.
  assert.doesNotMatch(again.stderr, /seed/);
});

Deno.test({
  name: "a share of the connections gets the faults, the same for a seed",
  ignore,
}, async () => {
  const affected = async () => {
    await using program = await serve(["limit=0&share=0.5&seed=3"]);
    let pattern = "";
    for (let i = 0; i < 30; i++) {
      const back = await through(program.addresses[0]!, "line\n");
      pattern += back.length === 0 ? "x" : ".";
    }
    return pattern;
  };
  const pattern = await affected();
  assert.match(pattern, /x/);
  assert.match(pattern, /\./);
  assert.equal(await affected(), pattern);
});

Deno.test({
  name: "a black hole takes everything, gives nothing, and closes in time",
  ignore,
}, async () => {
  await using program = await serve(
    ["blackhole=500ms", "blackhole=0"],
    "--verbose",
  );
  const [brief, endless] = program.addresses;
  using lost = await Client.to(endless!);
  // More than any buffer holds.
  for (let i = 0; i < 64; i++) await lost.send(new Uint8Array(256 * 1024));
  // Its time counts from the accept.
  const took = await timed(async () => {
    using client = await Client.to(brief!);
    assert.equal((await client.receiveAll()).length, 0);
  });
  assert.ok(took >= 500 - EARLY, `${took} ms`);
  await program.saw(/ closed: 0 bytes in, 0 bytes out/);
  program.kill();
  assert.equal((await lost.receiveAll()).length, 0);
  lost.close();
  await program.saw(/ closed: \d{8} bytes in, 0 bytes out/);
  assert.equal((await program.ended()).code, 0);
});

Deno.test({
  name: "a slow close holds the FIN back, and nothing else",
  ignore,
}, async () => {
  await using program = await serve(["slow-close=500ms"]);
  using client = await Client.to(program.addresses[0]!);
  await client.send("whole\ntail");
  const took = await timed(async () => {
    await client.closeWrite();
    assert.equal(await client.receiveText(10), "whole\ntail");
    assert.equal(await client.receive(), null);
  });
  assert.ok(took >= 500 - EARLY, `${took} ms`);
});

for (const stream of STREAMS) {
  Deno.test({
    name: `faults that only take time lose nothing (${stream})`,
    ignore: !CARRIES[stream],
  }, async () => {
    const faults = "latency=5ms&jitter=5ms&slice=5000&rate=200M&slow-close=1ms";
    for (const mode of ["line", "raw"]) {
      await using program = await serveOver(stream, `${faults}&mode=${mode}`);
      await fc.assert(
        fc.asyncProperty(chunks, async (parts) => {
          assert.deepEqual(
            await through(program.address, ...parts),
            joined(parts),
          );
        }),
        { numRuns: 10 },
      );
    }
  });
}

// The end

Deno.test({
  name: "a drain gives back what waits, when it is due",
  ignore,
}, async () => {
  await using program = await serve(["latency=1s&greeting=on"]);
  using client = await Client.to(program.addresses[0]!);
  // It has been accepted.
  assert.match(text((await client.receive())!), /^\{.*\}\n$/);
  const took = await timed(async () => {
    await client.send("waits\n");
    program.kill();
    assert.equal(text(await client.receiveAll()), "waits\n");
  });
  assert.ok(took >= 1000 - EARLY, `${took} ms`);
  client.close();
  assert.equal((await program.ended()).code, 0);
});

Deno.test({
  name: "the deadline of a drain does not wait for what is not due",
  ignore,
}, async () => {
  await using program = await serve(
    ["latency=1m", "slow-close=1m", "rate=1"],
    "--shutdown-timeout",
    "1",
  );
  const clients = await Promise.all(
    program.addresses.map((address) => Client.to(address)),
  );
  for (const client of clients) await client.send("0123456789\n".repeat(100));
  await clients[1]!.receiveText(1100);
  program.kill();
  for (const client of clients) {
    await client.receiveAll();
    client.close();
  }
  assert.equal((await program.ended()).code, 0);
});

// UDP

Deno.test({
  name: "datagrams are lost, the same for a seed",
  ignore,
}, async () => {
  const DATAGRAMS = 200;
  const arriving = async () => {
    await using program = await Program.listeningAt([
      "udp://127.0.0.1:0?loss=0.5&seed=5",
    ], ["--admin", "0"]);
    using client = UdpClient.to(program.addresses[0]!);
    for (let sent = 1; sent <= DATAGRAMS; sent++) {
      await client.send(`${sent}`);
      // No more at once than the kernel holds.
      if (sent % 50 > 0) continue;
      await Metrics.until(
        program,
        (metrics) => metrics.sum("datagrams_received_total") === sent,
      );
    }
    return await client.receiveAll();
  };
  const arrived = await arriving();
  assert.ok(
    arrived.length > 60 && arrived.length < 140,
    `${arrived.length} of ${DATAGRAMS} came back`,
  );
  assert.deepEqual(await arriving(), arrived);
});

Deno.test({
  name: "datagrams are late, and wrong, and come back from a drain",
  ignore,
}, async () => {
  await using program = await Program.listeningAt([
    "udp://127.0.0.1:0?latency=500ms",
    "udp://127.0.0.1:0?corrupt=1",
  ], ["--admin", "0"]);
  const [late, wrong] = program.addresses.map((address) =>
    UdpClient.to(address)
  );
  const sent = bytes("datagram");
  await wrong!.send(sent);
  const back = await wrong!.receive();
  assert.equal(back.length, sent.length);
  assert.ok(back.every((byte, i) => byte !== sent[i]), Deno.inspect(back));
  const took = await timed(async () => {
    assert.equal(await late!.echo("late"), "late");
  });
  assert.ok(took >= 500 - EARLY, `${took} ms`);
  await late!.send("waits");
  await Metrics.until(
    program,
    (metrics) => metrics.sum("datagrams_received_total") === 3,
  );
  program.kill();
  assert.equal(text(await late!.receive()), "waits");
  assert.equal((await program.ended()).code, 0);
  late![Symbol.dispose]();
  wrong![Symbol.dispose]();
});

Deno.test({
  name: "datagrams that come together are all late, and keep their order",
  ignore,
}, async () => {
  const DATAGRAMS = 150;
  await using program = await Program.listeningAt([
    "udp://127.0.0.1:0?latency=200ms",
  ]);
  using client = UdpClient.to(program.addresses[0]!);
  const took = await timed(async () => {
    for (let i = 0; i < DATAGRAMS; i++) await client.send(`${i}`);
    for (let i = 0; i < DATAGRAMS; i++) {
      assert.equal(text(await client.receive()), `${i}`);
    }
  });
  assert.ok(took >= 200 - EARLY, `${took} ms`);
});
