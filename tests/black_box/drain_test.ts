/**
 * How the server ends: what its clients get, how long it takes, and what it
 * exits with.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  bytes,
  Client,
  connectAll,
  midLine,
  resettable,
  text,
} from "../support/client.ts";
import { Flood } from "../support/flood.ts";
import {
  type Ended,
  PROC,
  PROGRAM,
  Program,
  programTest,
  STUCK_WRITES,
  until,
} from "../support/program.ts";

const ignore = !PROGRAM || Deno.build.os === "windows";

type Listening = Program & { port: number };

/**
 * Stops the program while `deeds` are done, so that they have arrived, unread,
 * when the signal does.
 */
async function frozen(
  program: Program,
  deeds: () => Promise<void>,
): Promise<void> {
  program.kill("SIGSTOP");
  await deeds();
  program.kill("SIGTERM");
  program.kill("SIGCONT");
}

/**
 * Waits for the end, and checks that it was as it should be: exit 0, and two
 * log lines after the first, beside those of the limit of connections.
 */
async function ended(program: Program): Promise<Ended> {
  const end = await program.ended();
  assert.equal(end.code, 0, end.stderr);
  const log = end.stderr.trimEnd().split("\n");
  const [listening, draining, stopped, ...rest] = log
    .filter((line) => !line.includes("clients wait"));
  assert.match(listening!, / info listening on /);
  assert.match(draining!, / info draining \d+ connections?\b/);
  assert.match(stopped!, / info stopped: \d+ connections? served\b/);
  assert.deepEqual(rest, []);
  return end;
}

/** Clients that the server has accepted. */
async function accepted(program: Listening, count: number): Promise<Client[]> {
  const clients = await connectAll(program.port, count);
  for (const client of clients) assert.equal(await client.echo("in\n"), "in\n");
  return clients;
}

/**
 * Waits until nobody listens: it takes a moment after the log line, in which
 * nobody who connects is served.
 */
function refused(port: number): Promise<void> {
  const connect = async () => {
    using client = await Client.connect(port);
    await client.receive();
  };
  return until(() => assert.rejects(connect, Deno.errors.ConnectionRefused));
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  programTest({
    name: `${signal} ends a server as soon as it is ready, exit 0`,
    ignore,
  }, async () => {
    // The ready line says that signals are welcome: one that comes at once must
    // not come too early.
    for (let i = 0; i < 5; i++) {
      await using program = await Program.listening();
      program.kill(signal);
      const { stderr } = await ended(program);
      assert.match(stderr, /draining 0 connections/);
    }
  });
}

programTest({
  name: "silent clients get FIN at the signal, not at the deadline",
  ignore,
}, async () => {
  await using program = await Program.listening([
    "--shutdown-timeout",
    "86400",
  ]);
  const clients = await accepted(program, 100);
  program.kill();
  for (const client of clients) {
    assert.equal((await client.receiveAll()).length, 0);
    client.close();
  }
  const { stderr } = await ended(program);
  assert.match(stderr, /draining 100 connections/);
  assert.match(
    stderr,
    /100 connections served, 300 bytes in, 300 bytes out/,
  );
});

programTest(
  { name: "a server that drains takes no new client", ignore },
  async () => {
    await using program = await Program.listening();
    using client = await midLine(program);
    program.kill();
    await program.saw(/draining 1 connections?\b/);
    await refused(program.port);
    await client.send("\n");
    assert.equal(text(await client.receiveAll()), "half\n");
    client.close();
    await ended(program);
  },
);

for (
  const { name, args, permissions } of [
    { name: "line mode", args: [] },
    { name: "raw mode", args: ["--mode", "raw"] },
    {
      name: "two workers",
      args: ["--workers", "2"],
      permissions: ["--allow-net", "--allow-read"],
    },
  ]
) {
  programTest({
    name: `lines that arrive just before the signal all come back: ${name}`,
    ignore: ignore || name === "two workers" && Deno.build.os !== "linux",
  }, async () => {
    await using program = await Program.listening(
      args,
      permissions ? { permissions } : {},
    );
    const clients = await accepted(program, 200);
    const lines = Array.from({ length: 500 }, (_, i) => `${i}\n`).join("");
    await frozen(program, async () => {
      for (const client of clients) {
        // In more than one segment, so that one read does not find them all.
        await client.send(lines);
        await client.send(lines);
      }
    });
    for (const client of clients) {
      assert.equal(text(await client.receiveAll()), lines + lines);
      client.close();
    }
    const { stderr } = await ended(program);
    assert.match(stderr, /draining 200 connections/);
    const moved = 200 * (3 + 2 * lines.length);
    assert.match(
      stderr,
      new RegExp(`200 connections served, ${moved} bytes in, ${moved} `),
    );
  });
}

/** A client that always has so many lines under way, until the server's FIN. */
class BusyClient {
  /** How many lines have been sent. */
  sent = 0;
  #echoed = 0;
  readonly #client: Client;
  readonly #depth: number;

  constructor(client: Client, depth: number) {
    this.#client = client;
    this.#depth = depth;
  }

  /** How many lines have been sent and have not come back. */
  get underWay(): number {
    return this.sent - this.#echoed;
  }

  /**
   * Talks until the end, and gives back all that has come. Calls `onMove` after
   * each line sent or echoed.
   */
  async talk(onMove: () => void): Promise<string> {
    let back = "";
    let over = false;
    let news = Promise.withResolvers<void>();
    const sending = (async () => {
      while (!over) {
        while (!over && this.underWay < this.#depth) {
          await this.#client.send(numbered(this.sent));
          this.sent++;
          onMove();
        }
        await news.promise;
      }
    })();
    for (let part; (part = await this.#client.receive()) !== null;) {
      back += text(part);
      this.#echoed += part.filter((byte) => byte === 0x0a).length;
      onMove();
      news.resolve();
      news = Promise.withResolvers();
    }
    over = true;
    news.resolve();
    await sending;
    this.#client.close();
    return back;
  }
}

function numbered(line: number): string {
  return `${line} `.padEnd(63, "x") + "\n";
}

programTest({
  name: "500 busy clients lose no line at the signal, and see FIN",
  ignore,
}, async () => {
  await using program = await Program.listening();
  const DEPTH = 16;
  const clients = (await accepted(program, 500))
    .map((client) => new BusyClient(client, DEPTH));
  const busy = Promise.withResolvers<void>();
  let moves = 0;
  let onMove = () => {
    if (++moves === 50 * clients.length) busy.resolve();
  };
  const talks = Promise.all(
    clients.map((client) => client.talk(() => onMove())),
  );
  await Promise.race([busy.promise, talks]);
  await frozen(program, async () => {
    const full = Promise.withResolvers<void>();
    onMove = () => {
      if (clients.every(({ underWay }) => underWay === DEPTH)) full.resolve();
    };
    onMove();
    await Promise.race([full.promise, talks]);
  });
  const arrived = clients.map(({ sent }) => sent);
  for (const [i, back] of (await talks).entries()) {
    const lines = back.split("\n").length - 1;
    assert.ok(
      lines >= arrived[i]!,
      `${lines} lines came back to client ${i}, ${arrived[i]} had arrived`,
    );
    assert.equal(
      back,
      Array.from({ length: lines }, (_, i) => numbered(i)).join(""),
    );
  }
  await ended(program);
});

programTest({
  name: "a client in mid-line may finish its line, then gets FIN",
  ignore,
}, async () => {
  await using program = await Program.listening([
    "--shutdown-timeout",
    "86400",
  ]);
  using client = await midLine(program);
  using silent = await Client.connect(program.port);
  assert.equal(await silent.echo("in\n"), "in\n");
  program.kill();
  // Whoever is in no line has been sent away by now.
  assert.equal(await silent.receive(), null);
  silent.close();
  await client.send(" a");
  await client.send(" line\n");
  assert.equal(text(await client.receiveAll()), "half a line\n");
  client.close();
  await ended(program);
});

programTest({
  name: "a client that sends its own FIN during a drain gets its tail back",
  ignore,
}, async () => {
  await using program = await Program.listening([
    "--shutdown-timeout",
    "86400",
  ]);
  using client = await midLine(program);
  program.kill();
  await program.saw(/draining 1 connections?\b/);
  await client.closeWrite();
  assert.equal(text(await client.receiveAll()), "half");
  await ended(program);
});

programTest(
  { name: "data, FIN and the signal at once lose nothing", ignore },
  async () => {
    await using program = await Program.listening();
    const clients = await accepted(program, 50);
    await frozen(program, async () => {
      for (const client of clients) {
        await client.send("whole\ntail");
        await client.closeWrite();
      }
    });
    for (const client of clients) {
      assert.equal(text(await client.receiveAll()), "whole\ntail");
      client.close();
    }
    await ended(program);
  },
);

programTest({
  name: "silent clients lose no line at the signal, however others flood it",
  ignore,
}, async () => {
  await using program = await Program.listening();
  const clients = await accepted(program, 50);
  using _flood = await Flood.start(program.port, 60);
  for (const client of clients) await client.send("tail\n");
  program.kill();
  for (const client of clients) {
    assert.equal(text(await client.receiveAll()), "tail\n");
    client.close();
  }
  assert.equal((await program.ended()).code, 0);
});

programTest({
  name: "a client that reads late gets all that had arrived",
  ignore,
}, async () => {
  await using program = await Program.listening([
    "--shutdown-timeout",
    "86400",
  ]);
  const clients = await accepted(program, 20);
  const lines = `${"x".repeat(63)}\n`.repeat(512);
  await frozen(program, async () => {
    for (const client of clients) await client.send(lines);
  });
  await program.saw(/draining 20 connections\b/);
  for (const client of clients) {
    assert.equal(text(await client.receiveAll()), lines);
    client.close();
  }
  await ended(program);
});

programTest({
  name: "a client that sends on after the server's FIN sees no reset",
  ignore,
}, async () => {
  await using program = await Program.listening();
  const clients = await accepted(program, 50);
  program.kill();
  for (const client of clients) {
    assert.equal(await client.receive(), null);
    await client.send("too late\n");
    await client.send("x".repeat(16 * 1024));
  }
  for (const client of clients) {
    // A reset would fail the read.
    assert.equal(await client.receive(), null);
    await client.closeWrite();
    assert.equal(await client.receive(), null);
    client.close();
  }
  await ended(program);
});

programTest({
  name: "clients that never finish a line get what is held at the deadline",
  ignore,
}, async () => {
  await using program = await Program.listening(["--shutdown-timeout", "1"]);
  const clients = await Promise.all(
    Array.from({ length: 50 }, () => midLine(program)),
  );
  const start = performance.now();
  program.kill();
  for (const client of clients) {
    assert.equal(text(await client.receiveAll()), "half");
    client.close();
  }
  const seconds = (performance.now() - start) / 1000;
  assert.ok(seconds >= 0.98, `ended after ${seconds} s`);
  await ended(program);
});

programTest({
  name: "clients that neither read nor close do not hold up the deadline",
  ignore: ignore || STUCK_WRITES,
}, async () => {
  await using program = await Program.listening(["--shutdown-timeout", "1"]);
  const clients = await accepted(program, 8);
  const lines = bytes(`${"x".repeat(63)}\n`.repeat(16 * 1024));
  const stuck = Promise.allSettled(clients.map(async (client) => {
    // Ends when the server closes, which fails the write.
    for (;;) await client.send(lines);
  }));
  using silent = await Client.connect(program.port);
  for (let i = 0; i < 100; i++) assert.equal(await silent.echo("i\n"), "i\n");
  program.kill();
  assert.equal((await silent.receiveAll()).length, 0);
  await ended(program);
  for (const { status } of await stuck) {
    assert.equal(status, "rejected");
  }
  for (const client of clients) client.close();
});

programTest({
  name: "a deadline of no seconds at all still gives back what is held",
  ignore,
}, async () => {
  await using program = await Program.listening(["--shutdown-timeout", "0"]);
  using client = await midLine(program);
  program.kill();
  assert.equal(text(await client.receiveAll()), "half");
  client.close();
  await ended(program);
});

programTest({
  name: "a client that resets during a drain ends only itself",
  ignore,
}, async () => {
  await using program = await Program.listening([
    "--shutdown-timeout",
    "86400",
  ]);
  using client = await midLine(program);
  const others = await Promise.all(
    Array.from({ length: 20 }, () => resettable(program.port, "a\nb", 2)),
  );
  program.kill();
  await program.saw(/draining 21 connections\b/);
  await Promise.all(others.map((reset) => reset()));
  await client.send(" a line\n");
  assert.equal(text(await client.receiveAll()), "half a line\n");
  client.close();
  await ended(program);
});

programTest({
  name: "a server at its limit of connections drains, and lets go who waits",
  ignore,
}, async () => {
  await using program = await Program.listening([
    "--max-connections",
    "1",
    "--shutdown-timeout",
    "86400",
  ]);
  using client = await midLine(program);
  const waiting = await connectAll(program.port, 10);
  for (const one of waiting) await one.send("waiting\n");
  program.kill();
  await program.saw(/draining 1 connections?\b/);
  // They were never accepted: what the kernel does with them when the listener
  // goes is a reset.
  for (const one of waiting) {
    await assert.rejects(one.receive(), Deno.errors.ConnectionReset);
    one.close();
  }
  await client.send(" a line\n");
  assert.equal(text(await client.receiveAll()), "half a line\n");
  client.close();
  const { stderr } = await ended(program);
  assert.match(stderr, /1 connections? served/);
});

// Slow readers

/** Starts a client that uses libc's sockets. */
function libcClient(
  name: string,
  args: (string | number)[],
): Program {
  const path = import.meta.resolve(`../support/${name}.ts`);
  const run = ["run", "--no-prompt", "--allow-ffi", path];
  return Program.other(Deno.execPath(), [...run, ...args.map(String)]);
}

for (
  const [bytes, bytesPerSecond] of [[128 * 1024, 40_000], [1 << 20, 250_000]]
) {
  programTest({
    name:
      `a client that reads ${bytes} bytes slowly, and sends one more, gets all of them`,
    ignore: !PROC,
  }, async () => {
    await using program = await Program.listening();
    await using client = libcClient("slow_reader", [
      program.port,
      bytes!,
      bytesPerSecond!,
    ]);
    await client.saw(/arrived/);
    program.kill();
    const { stdout } = await client.ended();
    assert.equal(stdout, `${bytes} bytes, then FIN\n`);
    await ended(program);
  });
}

programTest({
  name: "a quiet client that has read everything has two seconds for its FIN",
  ignore,
}, async () => {
  await using program = await Program.listening([
    "--shutdown-timeout",
    "86400",
  ]);
  const [client] = await accepted(program, 1);
  const start = performance.now();
  program.kill();
  assert.equal(await client!.receive(), null);
  await ended(program);
  const seconds = (performance.now() - start) / 1000;
  assert.ok(seconds >= 1.98, `it ended after ${seconds} s`);
  client!.close();
});

// What clients send after the signal

programTest({
  name: "clients that never stop sending do not hold a drain up",
  ignore,
}, async () => {
  await using program = await Program.listening([
    "--shutdown-timeout",
    "86400",
  ]);
  using _flood = await Flood.start(program.port, 4);
  program.kill();
  await ended(program);
});

programTest({
  name: "bytes that come one by one after the signal put off nobody's FIN",
  ignore,
}, async () => {
  await using program = await Program.listening([
    "--shutdown-timeout",
    "86400",
  ]);
  const clients = await accepted(program, 301);
  const silent = clients.pop()!;
  let over = false;
  const seen = silent.receiveAll().finally(() => over = true);
  // It is awaited below.
  seen.catch(() => {});
  program.kill();
  await program.saw(/draining 301 connections\b/);
  for (let sent = 0; !over; sent++) {
    await clients[sent % clients.length]!.send("x");
    // The pace of those who have been seen to do this.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal((await seen).length, 0);
  for (const client of [...clients, silent]) client.close();
  assert.equal((await program.ended()).code, 0);
});
