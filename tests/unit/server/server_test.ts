import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import {
  type Connection,
  echo,
  type EchoOptions,
  EchoServer,
  type EchoServerOptions,
  type Handler,
  type ServerEvent,
} from "../../../lib/mod.ts";
import { Client, connectAll, reset, text } from "../../support/client.ts";
import { Events } from "../../support/events.ts";
import { Flood } from "../../support/flood.ts";
import { NO_NAME } from "../../support/ports.ts";
import { inTime, IPV6, netTest, programTest } from "../../support/program.ts";
import { ReplacedListen } from "../../support/replaced_listen.ts";

/** Starts a server on a free port of 127.0.0.1. */
function start(options: EchoServerOptions = {}): Promise<EchoServer> {
  return EchoServer.start({ port: 0, host: "127.0.0.1", ...options });
}

/**
 * Takes the place of `Deno.listen`: notes what is asked for, and gives a free
 * port instead.
 */
class FreePort extends ReplacedListen {
  /** What was asked for. */
  readonly asked: Deno.TcpListenOptions[] = [];

  constructor() {
    super((listen) => (options) => {
      this.asked.push(options);
      return listen({ hostname: "127.0.0.1", port: 0 });
    });
  }
}

netTest(
  "EchoServer listens on port 1050 of all IPv4 addresses by default",
  async () => {
    using any = new FreePort();
    await using _server = await EchoServer.start();
    assert.deepEqual(any.asked, [{
      hostname: "0.0.0.0",
      port: 1050,
      tcpBacklog: 4096,
      reusePort: false,
    }]);
  },
);

netTest("EchoServer takes a number for the port", async () => {
  using any = new FreePort();
  await using _server = await EchoServer.start(2030);
  assert.equal(any.asked[0]?.port, 2030);
  assert.equal(any.asked[0]?.hostname, "0.0.0.0");
});

netTest("EchoServer tells the port that it has picked", async () => {
  const events = new Events();
  await using server = await start({ onEvent: events.hear });
  assert.equal(server.addr.hostname, "127.0.0.1");
  assert.notEqual(server.addr.port, 0);
  assert.deepEqual(events.of("listening"), [{
    type: "listening",
    addr: server.addr,
    listener: `tcp://127.0.0.1:${server.addr.port}`,
  }]);
});

netTest(
  "EchoServer tells faults, and each seed that it has drawn, by the listener's real name, before it listens",
  async () => {
    const told: ServerEvent[] = [];
    await using server = await EchoServer.start({
      listen: [
        "tcp://127.0.0.1:0?corrupt=0.1",
        "tcp://127.0.0.1:0?corrupt=0.1&seed=7",
        "tcp://127.0.0.1:0?limit=9",
      ],
      onEvent: (event) => told.push(event),
    });
    const names = server.addrs.map(({ port }) => `tcp://127.0.0.1:${port}`);
    assert.deepEqual(
      told.map((event) => [event.type, "listener" in event && event.listener]),
      [
        ["faults", names[0]],
        ["seed", names[0]],
        ["faults", names[1]],
        ["faults", names[2]],
        ["seed", names[2]],
        ["listening", names[0]],
        ["listening", names[1]],
        ["listening", names[2]],
      ],
    );
  },
);

netTest(
  "EchoServer says that a name does not resolve, or can be none",
  async () => {
    for (
      const [host, cause] of [
        [NO_NAME, "the name does not resolve"],
        ["no!name", "the host is not a valid name"],
      ] as const
    ) {
      for (const scheme of ["tcp", "tls"]) {
        const shown = `${scheme === "tcp" ? "" : "tls://"}${host}:0`;
        await assert.rejects(
          EchoServer.start({ listen: `${scheme}://${host}:0` }),
          { message: `Cannot listen on ${shown}: ${cause}` },
        );
      }
    }
  },
);

netTest(
  "EchoServer gives back whole lines, then the tail, then FIN",
  async () => {
    await using server = await start();
    using client = await Client.connect(server.addr.port);
    assert.equal(await client.echo("one\ntwo\n"), "one\ntwo\n");
    await client.send("three");
    await client.closeWrite();
    assert.equal(text(await client.receiveAll()), "three");
  },
);

netTest("EchoServer holds an unfinished line until its LF", async () => {
  await using server = await start();
  using client = await Client.connect(server.addr.port);
  await client.send("one\ntw");
  assert.equal(text((await client.receive())!), "one\n");
  await client.send("o\n");
  assert.equal(await client.receiveText(4), "two\n");
});

netTest("EchoServer in raw mode gives back bytes as they come", async () => {
  await using server = await start({ mode: "raw" });
  using client = await Client.connect(server.addr.port);
  assert.equal(await client.echo("no line"), "no line");
});

netTest(
  "EchoServer gives back a line beyond maxLineLength in pieces",
  async () => {
    await using server = await start({ maxLineLength: 4 });
    using client = await Client.connect(server.addr.port);
    assert.equal(await client.echo("abcdefgh"), "abcdefgh");
  },
);

netTest({ name: "EchoServer listens on IPv6", ignore: !IPV6 }, async () => {
  await using server = await start({ host: "::1" });
  using client = await Client.connect(server.addr.port, "::1");
  assert.equal(await client.echo("six\n"), "six\n");
});

netTest("EchoServer frees its port when it is shut down", async () => {
  const first = await start();
  const { port } = first.addr;
  using client = await Client.connect(port);
  await client.echo("one\n");
  client.close();
  await first.shutdown();
  await using second = await start({ port });
  assert.equal(second.addr.port, port);
});

netTest("EchoServer can be shut down twice, also while it does", async () => {
  const events = new Events();
  const server = await start({ onEvent: events.hear });
  using client = await Client.connect(server.addr.port);
  await client.echo("one\n");
  const shutdowns = [server.shutdown(), server.shutdown()];
  await client.receiveAll();
  client.close();
  await Promise.all(shutdowns);
  await server.shutdown();
  await server.finished;
  assert.equal(events.of("drain").length, 1);
  assert.equal(events.of("stop").length, 1);
});

netTest("EchoServer shuts down at the end of await using", async () => {
  let server: EchoServer;
  {
    await using inner = await start();
    server = inner;
  }
  await server.finished;
  await assert.rejects(
    Client.connect(server.addr.port),
    Deno.errors.ConnectionRefused,
  );
});

netTest("EchoServer does not finish before it is shut down", async () => {
  const server = await start();
  let finished = false;
  server.finished.then(() => finished = true);
  using client = await Client.connect(server.addr.port);
  await client.echo("one\n");
  assert.equal(finished, false);
  client.close();
  await server.shutdown();
  assert.equal(finished, true);
});

netTest("EchoServer is refused a port that is taken", async () => {
  await using taken = await start();
  const { port } = taken.addr;
  await assert.rejects(start({ port }), (error: Error) => {
    assert.ok(error instanceof Deno.errors.AddrInUse);
    assert.equal(
      error.message,
      `Cannot listen on 127.0.0.1:${port}: the port is already in use`,
    );
    return true;
  });
});

netTest("EchoServer refuses an address of another machine", async () => {
  await assert.rejects(start({ host: "192.0.2.1" }), (error: Error) => {
    assert.ok(error instanceof Deno.errors.AddrNotAvailable);
    assert.equal(
      error.message,
      "Cannot listen on 192.0.2.1:0: the address is not one of this machine",
    );
    return true;
  });
});

for (
  const [port, cure] of [
    [1023, ", a port below 1024 needs CAP_NET_BIND_SERVICE"],
    [1024, ""],
  ] as const
) {
  Deno.test(`EchoServer says what port ${port} needs`, async () => {
    using _ = new ReplacedListen(() => () => {
      throw new Deno.errors.PermissionDenied("Permission denied (os error 13)");
    });
    await assert.rejects(start({ port }), {
      name: "PermissionDenied",
      message: `Cannot listen on 127.0.0.1:${port}: permission denied${cure}`,
    });
  });
}

Deno.test({
  name: "EchoServer names the permission that it needs",
  permissions: { net: false },
}, async () => {
  await assert.rejects(EchoServer.start({ host: "::1" }), (error: Error) => {
    assert.ok(error instanceof Deno.errors.NotCapable);
    assert.equal(
      error.message,
      "Cannot listen on [::1]:1050: permission missing, run again with --allow-net",
    );
    return true;
  });
});

const WRONG: [
  options: unknown,
  kind: "RangeError" | "TypeError",
  name: string,
][] = [
  [-1, "RangeError", "port"],
  [65_536, "RangeError", "port"],
  [NaN, "RangeError", "port"],
  [{ port: 10.5 }, "RangeError", "port"],
  [{ port: "1050" }, "RangeError", "port"],
  [{ maxLineLength: 0 }, "RangeError", "maxLineLength"],
  [{ maxLineLength: 16_777_217 }, "RangeError", "maxLineLength"],
  [{ maxConnections: 0 }, "RangeError", "maxConnections"],
  [{ maxConnections: 1_000_001 }, "RangeError", "maxConnections"],
  [{ idleTimeout: -0.1 }, "RangeError", "idleTimeout"],
  [{ idleTimeout: Infinity }, "RangeError", "idleTimeout"],
  [{ shutdownTimeout: -1 }, "RangeError", "shutdownTimeout"],
  [{ shutdownTimeout: 86_401 }, "RangeError", "shutdownTimeout"],
  [{ backlog: 0 }, "RangeError", "backlog"],
  [{ host: "" }, "TypeError", "host"],
  [{ host: 7 }, "TypeError", "host"],
  [{ mode: "lines" }, "TypeError", "mode"],
  [{ handler: "echo" }, "TypeError", "handler"],
  [{ onEvent: null }, "TypeError", "onEvent"],
  [{ port: null }, "RangeError", "port"],
  ["1050", "TypeError", "options"],
  [null, "TypeError", "options"],
];

for (const [options, kind, name] of WRONG) {
  Deno.test(`EchoServer refuses ${Deno.inspect(options)}`, async () => {
    const starting = EchoServer.start(options as EchoServerOptions);
    await assert.rejects(starting, {
      name: kind,
      message: new RegExp(`^${name} must be `),
    });
  });
}

const upperCase: Handler = ({ readable, writable }) =>
  readable
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(
      new TransformStream<string, string>({
        transform: (text, out) => out.enqueue(text.toUpperCase()),
      }),
    )
    .pipeThrough(new TextEncoderStream())
    .pipeTo(writable);

netTest(
  "EchoServer serves a handler of one's own, with half-close",
  async () => {
    await using server = await start({ handler: upperCase });
    using client = await Client.connect(server.addr.port);
    assert.equal(await client.echo("one\n"), "ONE\n");
    await client.send("two");
    await client.closeWrite();
    assert.equal(text(await client.receiveAll()), "TWO");
  },
);

for (
  const [name, handler] of Object.entries({
    "by default": undefined,
    "of echo": echo(),
    "of echo, raw": echo({ mode: "raw" }),
    "of one's own": upperCase,
  })
) {
  netTest(`EchoServer drains a handler ${name}`, async () => {
    const server = await start(handler ? { handler } : {});
    using client = await Client.connect(server.addr.port);
    await client.echo("1\n");
    const shutdown = server.shutdown();
    assert.equal((await client.receiveAll()).length, 0);
    client.close();
    await shutdown;
  });
}

netTest(
  "EchoServer ends a handler's readable in a drain, and aborts its signal at the deadline",
  async () => {
    const opened = Promise.withResolvers<Connection>();
    const aborted = Promise.withResolvers<void>();
    let abortedAtEnd: boolean | undefined;
    const server = await start({
      shutdownTimeout: 1,
      handler: async (connection) => {
        opened.resolve(connection);
        await Array.fromAsync(connection.readable);
        abortedAtEnd = connection.signal.aborted;
        connection.signal.addEventListener("abort", () => aborted.resolve());
        await aborted.promise;
      },
    });
    using client = await Client.connect(server.addr.port);
    const { signal } = await opened.promise;
    assert.equal(signal.aborted, false);
    const shutdown = server.shutdown();
    await aborted.promise;
    assert.equal(abortedAtEnd, false);
    assert.equal((await client.receiveAll()).length, 0);
    client.close();
    await shutdown;
  },
);

for (const options of [{ maxLineLength: 0 }, { mode: "lines" }]) {
  Deno.test(`echo refuses ${Deno.inspect(options)}`, () => {
    assert.throws(() => echo(options as EchoOptions), / must be /);
  });
}

for (
  const [how, onEvent] of Object.entries({
    "throws": () => {
      throw new Error("deaf");
    },
    "rejects": () => Promise.reject(new Error("deaf")),
  })
) {
  netTest(`EchoServer serves on if onEvent ${how}`, async () => {
    await using server = await start({ onEvent });
    using client = await Client.connect(server.addr.port);
    assert.equal(await client.echo("one\n"), "one\n");
  });
}

/** A handler that does not end before the test does. */
class Stubborn {
  readonly #over = Promise.withResolvers<void>();
  /** How many connections it has been given. */
  served = 0;

  readonly handler: Handler = ({ readable, writable }) => {
    this.served++;
    readable.pipeTo(writable).catch(() => {});
    return this.#over.promise;
  };

  [Symbol.dispose](): void {
    this.#over.resolve();
  }
}

netTest(
  "EchoServer tells of every connection before it tells that it stopped",
  async () => {
    using stubborn = new Stubborn();
    const order: string[] = [];
    const server = await start({
      shutdownTimeout: 0,
      onEvent: ({ type }) => order.push(type),
      handler: stubborn.handler,
    });
    using client = await Client.connect(server.addr.port);
    assert.equal(await client.echo("one\n"), "one\n");
    await server.shutdown();
    stubborn[Symbol.dispose]();
    await turn();
    assert.deepEqual(order, ["listening", "drain", "connection", "stop"]);
  },
);

netTest(
  "EchoServer counts what a handler served that outlives the shutdown",
  async () => {
    using stubborn = new Stubborn();
    const events = new Events();
    const server = await start({
      shutdownTimeout: 0,
      onEvent: events.hear,
      handler: stubborn.handler,
    });
    using client = await Client.connect(server.addr.port);
    assert.equal(await client.echo("one\n"), "one\n");
    await server.shutdown();
    const { bytesIn, bytesOut } = await events.saw("stop");
    assert.deepEqual([bytesIn, bytesOut], [4, 4]);
  },
);

netTest(
  "EchoServer gives away the place of a connection that is closed, whatever its handler does",
  async () => {
    using stubborn = new Stubborn();
    const events = new Events();
    await using server = await start({
      maxConnections: 1,
      idleTimeout: 0.1,
      onEvent: events.hear,
      handler: stubborn.handler,
    });
    for (const number of [1, 2]) {
      using client = await Client.connect(server.addr.port);
      assert.equal(await client.echo("served\n"), "served\n");
      await client.receiveAll();
      const { ending } = await events.saw("connection", number);
      assert.equal(ending, "idle");
    }
    assert.equal(stubborn.served, 2);
  },
);

netTest(
  "EchoServer that shuts down does not wait for the handler of a connection that is long closed",
  async () => {
    using stubborn = new Stubborn();
    const events = new Events();
    const server = await start({
      idleTimeout: 0.1,
      // Longer than the test may take.
      shutdownTimeout: 86_400,
      onEvent: events.hear,
      handler: stubborn.handler,
    });
    using client = await Client.connect(server.addr.port);
    await client.receiveAll();
    await events.saw("connection");
    await server.shutdown();
  },
);

/** Timers that do not fire, as long as they are to wait at all. */
class StoppedTimers implements Disposable {
  readonly #setTimeout = globalThis.setTimeout;

  constructor() {
    const atOnce = this.#setTimeout;
    const stopped = (callback: () => void, milliseconds = 0) =>
      milliseconds === 0 ? atOnce(callback) : 0;
    Reflect.set(globalThis, "setTimeout", stopped);
  }

  [Symbol.dispose](): void {
    Reflect.set(globalThis, "setTimeout", this.#setTimeout);
  }
}

for (
  const [what, sent, handler] of [
    ["a client that says nothing", "one\n", undefined],
    ["a client in the middle of a line", "one\nha", undefined],
    ["a handler that does not end", "one\n", new Stubborn()],
  ] as const
) {
  netTest(
    `EchoServer without a time-out shuts down at once, whatever waits: ${what}`,
    async () => {
      const server = await start({
        shutdownTimeout: 0,
        ...handler && { handler: handler.handler },
      });
      using client = await Client.connect(server.addr.port);
      await client.send(sent);
      assert.equal(await client.receiveText(4), "one\n");
      const shutdown = async () => {
        // The guard has its timer.
        await turn();
        using _ = new StoppedTimers();
        await server.shutdown();
      };
      await inTime("a shutdown that waits for no timer", shutdown());
      handler?.[Symbol.dispose]();
    },
  );
}

programTest(
  "EchoServer loses no line in a shutdown beside another that is flooded",
  async () => {
    // The deadline is not what ends it.
    const one = await start({ shutdownTimeout: 86_400 });
    await using other = await start({ shutdownTimeout: 0 });
    const clients = await connectAll(one.addr.port, 100);
    for (const client of clients) {
      assert.equal(await client.echo("in\n"), "in\n");
    }
    using _flood = await Flood.start(other.addr.port, 60);
    await Promise.all(clients.map((client) => client.send("tail\n")));
    const shutdown = one.shutdown();
    const tails = await Promise.all(
      clients.map((client) => client.receiveAll()),
    );
    for (const client of clients) client.close();
    await shutdown;
    assert.equal(tails.filter((tail) => text(tail) === "tail\n").length, 100);
  },
);

netTest({
  name: "EchoServer on :: shows IPv4 clients with their IPv4 addresses",
  ignore: !IPV6,
}, async () => {
  const events = new Events();
  await using server = await start({
    host: "::",
    onEvent: events.hear,
    handler: async ({ remoteAddr, peerAddr, writable }) => {
      const writer = writable.getWriter();
      await writer.write(
        new TextEncoder().encode(`${remoteAddr.hostname} ${peerAddr.hostname}`),
      );
    },
  });
  using client = await Client.connect(server.addr.port);
  assert.equal(text(await client.receiveAll()), "127.0.0.1 127.0.0.1");
  client.close();
  const { remoteAddr } = await events.saw("connection");
  assert.deepEqual(remoteAddr, client.localAddr);
});

netTest(
  "EchoServer takes the place of :: with 0.0.0.0 where there is no IPv6",
  async () => {
    using _ = new ReplacedListen((listen) => (options) => {
      if (options.hostname?.includes(":")) {
        const error = new Error("Address family not supported by protocol");
        throw Object.assign(error, { code: "EAFNOSUPPORT" });
      }
      return listen(options);
    });
    const events = new Events();
    await using server = await start({ host: "::", onEvent: events.hear });
    assert.equal(server.addr.hostname, "0.0.0.0");
    assert.deepEqual(events.of("fallback"), [
      { type: "fallback", host: "::", instead: "0.0.0.0" },
    ]);
    using client = await Client.connect(server.addr.port);
    assert.equal(await client.echo("four\n"), "four\n");
    client.close();
    await assert.rejects(
      start({ host: "::1" }),
      /Cannot listen on \[::1\]:0: /,
    );
  },
);

for (
  const code of [
    "EHOSTUNREACH",
    "ENETUNREACH",
    "EHOSTDOWN",
    "ENETDOWN",
    "ECONNREFUSED",
    "ENOPROTOOPT",
    "EPIPE",
  ]
) {
  netTest(
    `EchoServer takes ${code} of a connection for the network's failure`,
    async () => {
      const events = new Events();
      await using server = await start({
        onEvent: events.hear,
        handler: () => Promise.reject(Object.assign(new Error(), { code })),
      });
      using client = await Client.connect(server.addr.port);
      await client.receiveAll();
      const { ending, reason } = await events.saw("connection");
      assert.deepEqual([ending, reason], ["reset", undefined]);
    },
  );
}

const CRASHES: Record<string, Handler> = {
  "throws": () => {
    throw new Error("crash");
  },
  "rejects": () => Promise.reject(new Error("crash")),
  "throws no Error": () => Promise.reject("crash"),
  "throws nothing at all": () => Promise.reject(),
  "throws while it reads": async ({ readable }) => {
    readable.getReader().read();
    await turn();
    throw new Error("crash");
  },
  "throws while it pipes": async ({ readable, writable }) => {
    readable.pipeTo(writable);
    await turn();
    throw new Error("crash");
  },
  "throws while it pipes through a transform": async ({ readable }) => {
    readable.pipeThrough(new TransformStream()).getReader().read();
    await turn();
    throw new Error("crash");
  },
};

for (const [how, crash] of Object.entries(CRASHES)) {
  netTest(
    `EchoServer ends only the connection whose handler ${how}`,
    async () => {
      const events = new Events();
      let connections = 0;
      await using server = await start({
        onEvent: events.hear,
        handler: (connection) =>
          ++connections === 2 ? crash(connection) : echo()(connection),
      });
      using before = await Client.connect(server.addr.port);
      await before.echo("one\n");
      using crashed = await Client.connect(server.addr.port);
      assert.equal(await crashed.receive(), null);
      using after = await Client.connect(server.addr.port);
      assert.equal(await before.echo("two\n"), "two\n");
      assert.equal(await after.echo("three\n"), "three\n");
      const { remoteAddr, ending, reason } = await events.saw("connection");
      assert.deepEqual(remoteAddr, crashed.localAddr);
      assert.equal(ending, "failed");
      const nothing = how === "throws nothing at all";
      assert.equal(reason, nothing ? "undefined" : "crash");
    },
  );
}

netTest("EchoServer tells how each connection ended, and totals", async () => {
  const events = new Events();
  const server = await start({ onEvent: events.hear });
  const { port } = server.addr;
  {
    using client = await Client.connect(port);
    await client.send("abc\nde");
    await client.closeWrite();
    await client.receiveAll();
    const { seconds, ...event } = await events.saw("connection");
    assert.deepEqual(event, {
      type: "connection",
      listener: `tcp://127.0.0.1:${port}`,
      connection: 1,
      remoteAddr: client.localAddr,
      bytesIn: 6,
      bytesOut: 6,
      ending: "closed",
    });
    assert.ok(seconds >= 0);
  }
  await reset(port, "xyz\n", 4);
  assert.equal((await events.saw("connection", 2)).ending, "reset");
  {
    using client = await Client.connect(port);
    await client.echo("x\n");
    const shutdown = server.shutdown();
    await client.receiveAll();
    client.close();
    await shutdown;
    assert.equal((await events.saw("connection", 3)).ending, "drained");
  }
  assert.deepEqual(events.of("drain"), [
    { type: "drain", connections: 1, seconds: 15 },
  ]);
  assert.deepEqual(events.of("stop"), [{
    type: "stop",
    connections: 3,
    passedOver: 0,
    bytesIn: 12,
    bytesOut: 12,
  }]);
});

netTest(
  "EchoServer serves no more than maxConnections; the next waits until one has gone",
  async () => {
    const waiting = Promise.withResolvers<void>();
    let served = 0;
    await using server = await start({
      maxConnections: 1,
      handler: (connection) => {
        served++;
        return echo()(connection);
      },
    });
    const first = await Client.connect(server.addr.port);
    using second = await Client.connect(server.addr.port);
    await second.send("two\n");
    second.receive().then((part) => {
      assert.equal(text(part!), "two\n");
      waiting.resolve();
    }, waiting.reject);
    for (let i = 0; i < 10; i++) await first.echo("one\n");
    assert.equal(served, 1);
    first.close();
    await waiting.promise;
    assert.equal(served, 2);
  },
);

netTest(
  "EchoServer closes an idle connection, and gives back its tail",
  async () => {
    const events = new Events();
    await using server = await start({
      idleTimeout: 0.1,
      onEvent: events.hear,
    });
    using client = await Client.connect(server.addr.port);
    await client.send("tail");
    assert.equal(text(await client.receiveAll()), "tail");
    client.close();
    assert.equal((await events.saw("connection")).ending, "idle");
  },
);

netTest(
  "EchoServer closes an idle connection whose client does not read",
  async () => {
    const events = new Events();
    await using server = await start({
      idleTimeout: 0.1,
      onEvent: events.hear,
    });
    using client = await Client.connect(server.addr.port);
    // More than the kernel buffers both ways: the write gets stuck, and so do we.
    const flood = new Uint8Array(64 * 1024 * 1024).fill(0x0a);
    const sending = client.send(flood);
    assert.equal((await events.saw("connection")).ending, "idle");
    await assert.rejects(sending);
  },
);

netTest("EchoServer tells an idle handler by its signal", async () => {
  const aborted = Promise.withResolvers<void>();
  await using server = await start({
    idleTimeout: 0.1,
    handler: ({ signal }) => {
      signal.addEventListener("abort", () => aborted.resolve());
      return aborted.promise;
    },
  });
  using _client = await Client.connect(server.addr.port);
  await aborted.promise;
});

netTest("EchoServer leaves a connection open on which bytes move", async () => {
  const events = new Events();
  await using server = await start({ idleTimeout: 0.2, onEvent: events.hear });
  using idle = await Client.connect(server.addr.port);
  using busy = await Client.connect(server.addr.port);
  let closed = false;
  const closing = idle.receiveAll().then(() => closed = true);
  while (!closed) assert.equal(await busy.echo("one\n"), "one\n");
  await closing;
  assert.equal(await busy.echo("two\n"), "two\n");
  assert.equal(events.of("connection").length <= 1, true);
});
