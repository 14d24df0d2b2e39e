/**
 * What clients and networks do to a server, and that it hurts nobody but
 * themselves.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  bytes,
  Client,
  connectAll,
  reset,
  resettable,
  text,
} from "../support/client.ts";
import { Flood } from "../support/flood.ts";
import {
  EXECUTABLE,
  inTime,
  PROC,
  Program,
  type ProgramOptions,
  programTest,
  STUCK_WRITES,
  succeeds,
  until,
} from "../support/program.ts";

const WRITE =
  (await Deno.permissions.query({ name: "write" })).state === "granted";

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * The most that is held for a connection with the default limits: one line and
 * one read buffer.
 */
const HELD = 64 * KIB + 128 * KIB;

/**
 * What the runtime may take by itself once it gets busy: code, garbage not yet
 * collected.
 */
const RUNTIME = 48 * MIB;

/** How a connection ended, as `--verbose` tells. */
interface Ending {
  how: string;
  bytesIn: number;
  bytesOut: number;
  seconds: number;
}

/** Waits until `count` connections have ended, and says how. */
async function endings(program: Program, count: number): Promise<Ending[]> {
  const lines = await program.sawTimes(
    count,
    /connection \S+ (\w+): (\d+) bytes in, (\d+) bytes out,.* ([\d.]+) s\b.*\n/,
  );
  return lines.map(([, how, bytesIn, bytesOut, seconds]) => ({
    how: how!,
    bytesIn: Number(bytesIn),
    bytesOut: Number(bytesOut),
    seconds: Number(seconds),
  }));
}

/**
 * Sends `pattern` again and again, `total` bytes in all, then FIN, while it
 * checks that the same comes back, then FIN.
 *
 * @param each Is called for each piece that comes back.
 */
async function passes(
  client: Client,
  pattern: Uint8Array,
  total: number,
  each: () => void = () => {},
): Promise<void> {
  const send = async () => {
    for (let sent = 0; sent < total; sent += pattern.length) {
      await client.send(pattern.subarray(0, total - sent));
    }
    await client.closeWrite();
  };
  let received = 0;
  const receive = async () => {
    for (let part; (part = await client.receive()) !== null;) {
      for (const byte of part) {
        if (byte !== pattern[received++ % pattern.length]) {
          assert.fail(`byte ${received - 1} of ${total} is wrong`);
        }
      }
      each();
    }
  };
  await Promise.all([send(), receive()]);
  assert.equal(received, total);
}

/** Sends without reading until the server ends it; settles when it has. */
async function neverReads(client: Client): Promise<void> {
  const lines = bytes(`${"x".repeat(63)}\n`.repeat(KIB));
  const send = async () => {
    for (let sent = 0; sent < 256 * MIB; sent += lines.length) {
      await client.send(lines);
    }
  };
  try {
    await assert.rejects(
      inTime("the server to end a client that never reads", send()),
      (error) =>
        error instanceof Deno.errors.ConnectionReset ||
        error instanceof Deno.errors.BrokenPipe,
    );
  } finally {
    client.close();
  }
}

/**
 * What rejects before somebody awaits it, if anybody does, is no uncaught
 * error.
 */
function later<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

// Resets

programTest(
  "clients that reset before they are accepted are passed over",
  async () => {
    await using program = await Program.listening(["--max-connections", "1"]);
    using first = await Client.connect(program.port);
    assert.equal(await first.echo("first\n"), "first\n");
    const waiting = await connectAll(program.port, 3);
    const others = await Promise.all(
      Array.from({ length: 200 }, () => resettable(program.port, "", 0)),
    );
    await Promise.all(others.map((reset) => reset()));
    first.close();
    for (const client of waiting) {
      assert.equal(await client.echo("next\n"), "next\n");
      client.close();
    }
    using last = await Client.connect(program.port);
    assert.equal(await last.echo("last\n"), "last\n");
    last.close();
    program.kill();
    const { code, stderr } = await program.ended();
    assert.equal(code, 0);
    assert.match(stderr, /5 connections served, 200 aborted before/);
  },
);

programTest("a client that resets in mid-line ends only itself", async () => {
  await using program = await Program.listening(["--verbose"]);
  using bystander = await Client.connect(program.port);
  await bystander.send("be");
  await reset(program.port, "whole\nhalf", 6);
  const [ending] = await endings(program, 1);
  assert.equal(ending?.how, "reset");
  assert.equal(ending.bytesOut, 6);
  await bystander.send("fore\n");
  assert.equal(await bystander.receiveText(7), "before\n");
});

programTest(
  "a client that resets with unread echo ends only itself",
  async () => {
    await using program = await Program.listening(["--verbose"]);
    using bystander = await Client.connect(program.port);
    const lines = bytes(`${"x".repeat(1023)}\n`.repeat(256));
    for (let i = 0; i < 20; i++) {
      assert.equal(await bystander.echo(`${i}\n`), `${i}\n`);
      await reset(program.port, lines, 1);
    }
    for (const { how } of await endings(program, 20)) {
      assert.equal(
        how,
        "reset",
      );
    }
    assert.equal(await bystander.echo("after\n"), "after\n");
  },
);

programTest(
  "a storm of resets of every kind loses no byte of an honest client",
  async () => {
    await using program = await Program.listening();
    using bystander = await Client.connect(program.port);
    const kinds = [["", 0], ["half", 0], ["whole\n", 0], ["whole\nhalf", 6]];
    let left = 2000;
    const storm = async () => {
      while (left-- > 0) {
        const [what, echoed] = kinds[left % kinds.length]!;
        await reset(program.port, what as string, echoed as number);
      }
    };
    const storms = Promise.all(Array.from({ length: 20 }, storm));
    for (let i = 0; left > 0; i++) {
      assert.equal(await bystander.echo(`line ${i}\n`), `line ${i}\n`);
    }
    await storms;
    // Connections are accepted in order: once the last is served, none of the storm waits in the kernel, uncounted.
    using last = await Client.connect(program.port);
    assert.equal(await last.echo("last\n"), "last\n");
    last.close();
    bystander.close();
    program.kill();
    const { code, stderr } = await program.ended();
    assert.equal(code, 0);
    const [, served, gone = 0] = stderr.match(
      /stopped: (\d+) connections served(?:, (\d+) aborted)?/,
    )!;
    assert.equal(Number(served) + Number(gone), 2002);
  },
);

programTest({
  name: "connections that end in any way leave no descriptor behind",
  ignore: !PROC,
}, async () => {
  await using program = await Program.listening();
  using bystander = await Client.connect(program.port);
  assert.equal(await bystander.echo("here\n"), "here\n");
  const { descriptors } = await program.usage();
  for (const client of await connectAll(program.port, 100)) {
    await client.send("half");
    client.close();
  }
  for (const client of await connectAll(program.port, 100)) {
    await client.closeWrite();
    assert.equal((await client.receiveAll()).length, 0);
    client.close();
  }
  for (let i = 0; i < 100; i++) await reset(program.port, "whole\n", i % 7);
  await program.fallsTo(descriptors);
  assert.equal(await bystander.echo("still here\n"), "still here\n");
});

programTest({
  name: "a flood of new clients keeps nobody waiting who is served",
  ignore: Deno.build.os === "windows",
}, async () => {
  await using program = await Program.listening(["--greeting"]);
  using bystander = await Client.connect(program.port);
  const { length: greeting } = (await bystander.receive())!;
  program.kill("SIGSTOP");
  using flood = await Flood.connected(program.port, 3000);
  // It is in the middle of them when the line arrives. One that accepts without
  // a pause takes in twice as many, at least, before it looks for others.
  await flood.letGoOn(program, 100 * greeting);
  await flood.assertAnswered(program, bystander, 400 * greeting);
});

programTest(
  "a client with a line now and then is served beside 20 that flood",
  async () => {
    await using program = await Program.listening();
    using flood = await Flood.start(program.port, 20);
    using bystander = await Client.connect(program.port);
    assert.equal(await bystander.echo("here\n"), "here\n");
    // A server that looks for others as seldom as its runtime gives more than
    // twice as much to the flood.
    for (let i = 0; i < 10; i++) {
      await flood.assertAnswered(program, bystander, 16 * MIB);
    }
  },
);

programTest(
  "the limit of connections is told once an episode, and its end",
  async () => {
    await using program = await Program.listening(["--max-connections", "2"]);
    const episode = async () => {
      const served = await connectAll(program.port, 2);
      for (const client of served) assert.equal(await client.echo("\n"), "\n");
      for (let i = 0; i < 5; i++) {
        const waiting = await Client.connect(program.port);
        const echo = waiting.echo("next\n");
        served.shift()!.close();
        assert.equal(await echo, "next\n");
        served.push(waiting);
      }
      for (const client of served) client.close();
    };
    const LIMIT =
      /warning 2 connections open, other clients wait: raise --max-connections\n/;
    for (const count of [1, 2]) {
      await episode();
      await program.sawTimes(
        count,
        /info fewer than \d+ connections open again\n/,
      );
      assert.equal(program.stderr.match(RegExp(LIMIT, "g"))?.length, count);
    }
  },
);

// Descriptors

/**
 * Talks with clients that are served. Each round trip is a turn of the server's
 * loop: in so many of them it tries to accept several times.
 */
async function manyTurns(served: readonly Client[]): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    const client = served[i % served.length]!;
    assert.equal(await client.echo(`${i}\n`), `${i}\n`);
  }
}

/** A program that may have so many descriptors open. */
function withDescriptors(count: number): ProgramOptions {
  return { under: ["sh", "-c", `ulimit -n ${count}; exec "$0" "$@"`] };
}

programTest({
  name: "the server that runs out of descriptors serves on those it has",
  ignore: Deno.build.os === "windows",
}, async () => {
  await using program = await Program.listening([], withDescriptors(96));
  const clients = await connectAll(program.port, 200);
  const served: Client[] = [];
  let leave = false;
  const first = Promise.withResolvers<void>();
  const all = Promise.all(clients.map(async (client) => {
    assert.equal(await client.echo("first\n"), "first\n");
    served.push(client);
    first.resolve();
    if (leave) client.close();
  }));
  all.catch(first.reject);
  await program.saw(/warning out of descriptors \(EMFILE\).*ulimit -n.*\n/);
  await first.promise;
  await manyTurns(served);
  assert.ok(served.length < 96, `${served.length} are served`);
  assert.equal(program.stderr.match(/out of descriptors/g)?.length, 1);

  // As those that are served leave, the others get their turn.
  leave = true;
  for (const client of served) client.close();
  await all;
  program.kill();
  const { code, stderr } = await program.ended();
  assert.equal(code, 0);
  assert.match(stderr, /200 connections served/);
});

programTest({
  name: "each shortage of descriptors is told once, and ends by itself",
  ignore: Deno.build.os === "windows",
}, async () => {
  await using program = await Program.listening(
    ["--idle-timeout", "1"],
    withDescriptors(96),
  );
  for (const episode of [1, 2]) {
    using first = await Client.connect(program.port);
    const others = await connectAll(program.port, 120);
    await program.sawTimes(episode, /warning out of descriptors .*\n/);
    await manyTurns([first]);
    for (const client of [first, ...others]) client.close();
    // It is accepted after all the others, and then idle for longer than an
    // episode lasts.
    using silent = await Client.connect(program.port);
    assert.equal((await silent.receiveAll()).length, 0);
    const warnings = program.stderr.match(/out of descriptors/g)?.length;
    assert.equal(warnings, episode);
  }
});

// Slow readers

programTest({
  name: "a client that never reads is not read from",
  ignore: STUCK_WRITES,
}, async () => {
  await using program = await Program.listening([
    "--idle-timeout",
    "1",
    "--verbose",
  ]);
  const clients = await connectAll(program.port, 8);
  await Promise.all(clients.map(neverReads));
  for (const { how, bytesIn, bytesOut } of await endings(program, 8)) {
    assert.equal(how, "idle");
    assert.ok(bytesIn - bytesOut <= HELD, `${bytesIn - bytesOut} bytes held`);
  }
});

programTest({
  name: "clients that never read cost bounded memory, and nobody else a line",
  ignore: !PROC || STUCK_WRITES,
}, async () => {
  await using program = await Program.listening([
    "--idle-timeout",
    "1",
    "--verbose",
  ]);
  const before = await program.usage();
  for (let wave = 1; wave <= 3; wave++) {
    const clients = await connectAll(program.port, 24);
    let waiting = true;
    const stuck = later(
      Promise.all(clients.map(neverReads)).finally(() => waiting = false),
    );
    using bystander = await Client.connect(program.port);
    while (waiting) {
      assert.equal(await bystander.echo("served\n"), "served\n");
      const { memory } = await program.usage();
      const most = before.memory + RUNTIME + clients.length * 600 * KIB;
      assert.ok(memory <= most, `${memory} bytes, and ${most} are allowed`);
    }
    await stuck;
    bystander.close();
    await endings(program, wave * 25);
    await program.fallsTo(before.descriptors);
  }
});

// Endless and absurd lines

programTest({
  name: "a line without end comes back in pieces, and is not piled up",
  ignore: !PROC,
}, async () => {
  await using program = await Program.listening();
  using client = await Client.connect(program.port);
  const pattern = new Uint8Array(251).map((_, i) => i).filter((i) => i !== 10);
  const piece = new Uint8Array(250 * 1024).map((_, i) => pattern[i % 250]!);
  const before = await program.usage();
  let peak = 0;
  let look: Promise<void> | undefined;
  await passes(client, piece, 64 * MIB, () => {
    look ??= program.usage().then(({ memory }) => {
      peak = Math.max(peak, memory);
      look = undefined;
    });
  });
  await look;
  assert.ok(peak - before.memory <= RUNTIME, `${peak - before.memory} bytes`);
});

programTest(
  "a million empty lines in one write come back, each of them",
  async () => {
    await using program = await Program.listening();
    using client = await Client.connect(program.port);
    await passes(client, new Uint8Array(1_000_000).fill(0x0a), 1_000_000);
  },
);

programTest(
  "a client that sends byte by byte gets the same bytes back",
  async () => {
    await using program = await Program.listening();
    using client = await Client.connect(program.port);
    const all = new Uint8Array(4096).map((_, i) => i * 31);
    for (let i = 0; i < all.length; i++) {
      await client.send(all.subarray(i, i + 1));
    }
    await client.closeWrite();
    assert.deepEqual(await client.receiveAll(), all);
  },
);

programTest(
  "a line of just the limit, one less and one more all come back whole",
  async () => {
    await using program = await Program.listening([
      "--max-line-length",
      "1000",
    ]);
    using client = await Client.connect(program.port);
    for (const length of [999, 1000, 1001, 1999, 2000, 2001]) {
      const line = `${"x".repeat(length)}\n`;
      assert.equal(await client.echo(line), line);
      assert.equal(await client.echo(line + line), line + line);
    }
    const endless = "y".repeat(1001);
    assert.equal(await client.echo(endless), endless);
  },
);

programTest(
  "a line whose LF comes apart from its CR stays one line",
  async () => {
    await using program = await Program.listening();
    using client = await Client.connect(program.port);
    using bystander = await Client.connect(program.port);
    await client.send("split\r");
    assert.equal(await bystander.echo("between\r\n"), "between\r\n");
    await client.send("\n\r\n\r");
    assert.equal(await client.receiveText(9), "split\r\n\r\n");
    await client.closeWrite();
    assert.equal(text(await client.receiveAll()), "\r");
  },
);

programTest("a limit of one byte loses nothing", async () => {
  await using program = await Program.listening(["--max-line-length", "1"]);
  using client = await Client.connect(program.port);
  for (const what of ["\n", "a\n", "ab", "\n\n\n", "\0\0", "abc\n"]) {
    assert.equal(await client.echo(what), what);
  }
  await passes(client, new Uint8Array(256).map((_, i) => i), 100_000);
});

// Half-close

programTest("a client that sends FIN first gets FIN", async () => {
  await using program = await Program.listening();
  using client = await Client.connect(program.port);
  await client.closeWrite();
  assert.equal((await client.receiveAll()).length, 0);
});

programTest(
  "a client that sends FIN in mid-line gets the tail, then FIN",
  async () => {
    await using program = await Program.listening();
    using client = await Client.connect(program.port);
    assert.equal(await client.echo("whole\n"), "whole\n");
    await client.send("ta");
    await client.send("il");
    await client.closeWrite();
    assert.equal(text(await client.receiveAll()), "tail");
  },
);

programTest(
  "a client that sends FIN with a full window gets everything, then FIN",
  async () => {
    await using program = await Program.listening();
    using client = await Client.connect(program.port);
    using bystander = await Client.connect(program.port);
    const all = new Uint8Array(16 * MIB).map((_, i) => i % 253);
    let sent = false;
    const sending = later(
      client.send(all).then(() => client.closeWrite()).then(() => {
        sent = true;
      }),
    );
    // Nothing is read until everything is sent, or the windows are full, as they
    // are after so many turns.
    for (let i = 0; i < 200 && !sent; i++) {
      assert.equal(await bystander.echo("turn\n"), "turn\n");
    }
    const back = await client.receiveAll();
    await sending;
    assert.equal(back.length, all.length);
    assert.ok(back.every((byte, i) => byte === all[i]));
  },
);

programTest({
  name: "a client that shuts its reading side down is served like any other",
  ignore: !PROC,
}, async () => {
  await using program = await Program.listening(["--verbose"]);
  const path = import.meta.resolve("../support/deaf_client.ts");
  const client = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-ffi", path, `${program.port}`],
    stdin: "piped",
    stdout: "null",
  }).spawn();
  const [ending] = await endings(program, 1);
  assert.deepEqual({ ...ending, seconds: 0 }, {
    how: "closed",
    bytesIn: 14,
    bytesOut: 14,
    seconds: 0,
  });
  await client.stdin.close();
  assert.equal((await client.status).code, 0);
});

programTest({
  name:
    "a line behind an urgent byte comes back with the next one at the latest",
  ignore: !PROC,
}, async () => {
  await using program = await Program.listening();
  const path = import.meta.resolve("../support/urgent_client.ts");
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-ffi", path, `${program.port}`],
  }).output();
  assert.equal(text(stdout), "a\nb\nc\n");
});

// Idle clock

programTest(
  "silent clients are closed after the idle time-out, and not before",
  async () => {
    await using program = await Program.listening([
      "--idle-timeout",
      "1",
      "--verbose",
    ]);
    const silent: Promise<void>[] = [];
    // They come at any time between two sweeps, and some more.
    while (silent.length < 1000) {
      silent.push(...Array.from({ length: 10 }, async () => {
        using client = await Client.connect(program.port);
        assert.equal((await client.receiveAll()).length, 0);
      }));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await Promise.all(silent);
    for (const { how, seconds } of await endings(program, 1000)) {
      assert.equal(how, "idle");
      // The clock of a timer has milliseconds, and the log too.
      assert.ok(seconds >= 0.98, `closed after ${seconds} s`);
    }
  },
);

programTest(
  "a client that is closed as idle gets what was held of its line",
  async () => {
    await using program = await Program.listening(["--idle-timeout", "1"]);
    using client = await Client.connect(program.port);
    await client.send("whole\nheld");
    assert.equal(text(await client.receiveAll()), "whole\nheld");
  },
);

programTest(
  "a client that trickles one byte just in time is never idle",
  async () => {
    await using program = await Program.listening(["--idle-timeout", "2"]);
    using trickler = await Client.connect(program.port);
    const sent: Promise<void>[] = [];
    const trickle = setInterval(() => {
      sent.push(later(trickler.send("t")));
    }, 500);
    // The server's clock says when it would have been idle, twice.
    for (let i = 0; i < 2; i++) {
      using silent = await Client.connect(program.port);
      assert.equal((await silent.receiveAll()).length, 0);
    }
    clearInterval(trickle);
    await Promise.all(sent);
    await trickler.closeWrite();
    assert.equal(text(await trickler.receiveAll()), "t".repeat(sent.length));
    assert.ok(sent.length > 0);
  },
);

programTest(
  "a client that sends in time is never idle, however others flood",
  async () => {
    await using program = await Program.listening(["--idle-timeout", "2"]);
    using _flood = await Flood.start(program.port, 100);
    const clients = await connectAll(program.port, 20);
    await Promise.all(clients.map(async (client) => {
      for (let i = 0; i < 10; i++) {
        assert.equal(await client.echo("in time\n"), "in time\n");
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
      client.close();
    }));
  },
);

programTest(
  "a client that reads slowly but in time is never idle",
  async () => {
    await using program = await Program.listening(["--idle-timeout", "2"]);
    using client = await Client.connect(program.port);
    const lines = bytes(`${"x".repeat(63)}\n`.repeat(KIB));
    let enough = false;
    const sending = later((async () => {
      while (!enough) await client.send(lines);
      await client.closeWrite();
    })());
    let received = 0;
    const start = performance.now();
    // What a kernel buffers, 4 MB by default, twice within the time-out.
    while (performance.now() - start < 4500) {
      const part = await client.receive();
      assert.ok(part, `it was closed after ${received} bytes`);
      received += part.length;
      const due = received / 4_000_000 * 1000 - (performance.now() - start);
      if (due > 0) await new Promise((resolve) => setTimeout(resolve, due));
    }
    enough = true;
    await client.receiveAll();
    await sending;
  },
);

programTest({
  name: "a client whose echo is stuck is closed as idle",
  ignore: STUCK_WRITES,
}, async () => {
  await using program = await Program.listening([
    "--idle-timeout",
    "1",
    "--verbose",
  ]);
  using client = await Client.connect(program.port);
  await neverReads(client);
  const [ending] = await endings(program, 1);
  assert.equal(ending?.how, "idle");
  assert.ok(ending.seconds >= 0.98, `closed after ${ending.seconds} s`);
});

/** What the kernel says of the server's sockets. */
async function socketsOf(port: number): Promise<string> {
  const { stdout } = await new Deno.Command("ss", {
    args: ["-tnoH", `sport = :${port}`],
  }).output();
  return text(stdout);
}

const noSs = !PROC || !await succeeds("ss", "-V");

if (PROC && noSs) console.log("A test of keep-alive is ignored: no ss(8).");

programTest({
  name: "a client of a server without idle time-out is probed by keep-alive",
  ignore: noSs,
}, async () => {
  await using program = await Program.listening(["--idle-timeout", "0"]);
  using client = await Client.connect(program.port);
  assert.equal(await client.echo("here\n"), "here\n");
  // For a moment it is the timer of what has just been sent.
  await until(async () => {
    assert.match(await socketsOf(program.port), /timer:\(keepalive,/);
  });
});

// What a client can learn and forge

programTest("nothing that a client sends gets into the log", async () => {
  await using program = await Program.listening(["--verbose"]);
  const forged = "2030-01-01T00:00:00.000Z error forged\n";
  using client = await Client.connect(program.port);
  assert.equal(await client.echo(forged), forged);
  client.close();
  await reset(program.port, forged, 1);
  await endings(program, 2);
  program.kill();
  const { stderr, stdout } = await program.ended();
  assert.doesNotMatch(stderr + stdout, /forged/);
});

programTest(
  "what an address holds cannot forge a line of the log",
  async () => {
    await using program = Program.spawn([
      "--listen",
      "unix:/no\n2030-01-01T00:00:00.000Z error/forged\x1b[2J",
    ]);
    const { code, stderr } = await program.ended();
    assert.equal(code, 1);
    // A runtime before 2.9 has a warning of its own on names.
    assert.equal(stderr.match(/^\d{4}-/gm)?.length, 1);
    // deno-lint-ignore no-control-regex -- they are what must not be there
    assert.doesNotMatch(stderr, /\x1b/);
  },
);

programTest({
  name: "with --allow-net alone nothing asks for the environment or the disk",
  ignore: EXECUTABLE !== undefined || !WRITE,
}, async () => {
  const audit = await Deno.makeTempFile();
  try {
    await using program = await Program.listening([], {
      under: ["env", `DENO_AUDIT_PERMISSIONS=${audit}`],
    });
    using client = await Client.connect(program.port);
    assert.equal(await client.echo("line\n"), "line\n");
    client.close();
    await reset(program.port, "half");
    program.kill();
    assert.equal((await program.ended()).code, 0);
    const asked = (await Deno.readTextFile(audit)).trim().split("\n")
      .map((line) => JSON.parse(line).permission);
    assert.deepEqual(new Set(asked), new Set(["net"]));
  } finally {
    await Deno.remove(audit);
  }
});
