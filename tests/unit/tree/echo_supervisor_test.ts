import assert from "node:assert/strict";
import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";
import {
  echo,
  EchoServer,
  EchoSupervisor,
  type EchoSupervisorOptions,
  type Handler,
} from "../../../lib/mod.ts";
import { resolve } from "../../../lib/options/options.ts";
import type { Sockets } from "../../../lib/tree/requirements.ts";
import type { WorkerPlatform } from "../../../lib/tree/worker_pool.ts";
import { Client, connectAll, text } from "../../support/client.ts";
import { Events } from "../../support/events.ts";
import { MortalWorkers } from "../../support/mortal_workers.ts";
import { collectGarbage, descriptors } from "../../support/own_process.ts";
import { freePort } from "../../support/ports.ts";
import {
  EXECUTABLE,
  netTest,
  PROC,
  Program,
  programTest,
} from "../../support/program.ts";
import { ReplacedListen } from "../../support/replaced_listen.ts";
import { temporaryDirectory } from "../../support/temporary.ts";
import { UdpClient } from "../../support/udp_client.ts";

const DEFAULTS = { port: 0, host: "127.0.0.1" };

/** Starts a tree on a free port of 127.0.0.1. */
function start(options: EchoSupervisorOptions = {}): Promise<EchoSupervisor> {
  return EchoSupervisor.start(EchoServer, { ...DEFAULTS, ...options });
}

/** Starts a tree on a platform of the test's own. */
// deno-lint-ignore require-await -- errors reject, they are not thrown
async function startOn(
  platform: Partial<WorkerPlatform>,
  options: EchoSupervisorOptions,
  signal?: AbortSignal,
): Promise<EchoSupervisor> {
  const settings = resolve({ ...DEFAULTS, ...options });
  return EchoSupervisor.startWith(EchoServer, settings, signal, platform);
}

/**
 * Makes accepting fail, when a test says so, of something that no server can
 * know.
 */
class FailingAccept extends ReplacedListen {
  /** How many of the accepts to come fail. */
  failures = 0;

  constructor() {
    super((listen) => (options) => {
      const listener = listen(options);
      const accept = listener.accept.bind(listener);
      listener.accept = () => {
        if (this.failures === 0) return accept();
        this.failures--;
        return Promise.reject(new Error("accept is out of order"));
      };
      return listener;
    });
  }
}

/** Runs out of descriptors, as it looks to whoever wants to listen. */
class FewDescriptors {
  /** @param left How many times one can still listen. */
  constructor(public left = 0) {}

  readonly sockets: Sockets = {
    listen: ((options: Deno.TcpListenOptions) => {
      if (this.left-- > 0) return Deno.listen(options);
      throw Object.assign(new Error("Too many files"), { code: "EMFILE" });
    }) as typeof Deno.listen,
    listenDatagram: Deno.listenDatagram,
  };
}

/**
 * Sends a line, as long as it comes back, until told to stop; whether it always
 * has.
 */
async function keepEchoing(
  client: Client,
  load: { stop: boolean },
): Promise<boolean> {
  try {
    do assert.equal(await client.echo("one\n"), "one\n"); while (!load.stop);
    return true;
  } catch {
    return false;
  }
}

/** How many clients, echoing all the time, live through a death. */
async function liveThrough(
  clients: Client[],
  death: () => Promise<void>,
): Promise<number> {
  const load = { stop: false };
  const echoing = clients.map((client) => keepEchoing(client, load));
  await death();
  await Promise.race(echoing);
  load.stop = true;
  return (await Promise.all(echoing)).filter(Boolean).length;
}

netTest("EchoSupervisor starts a server on the port it is given", async () => {
  const port = freePort();
  await using tree = await EchoSupervisor.start(EchoServer, port);
  assert.equal(tree.addr.hostname, "0.0.0.0");
  assert.equal(tree.addr.port, port);
  using client = await Client.connect(port);
  assert.equal(await client.echo("one\n"), "one\n");
});

netTest(
  "EchoSupervisor can be shut down twice, also while it does",
  async () => {
    const events = new Events();
    const tree = await start({ onEvent: events.hear });
    await Promise.all([tree.shutdown(), tree.shutdown()]);
    await tree.shutdown();
    await tree.finished;
    assert.equal(events.of("drain").length, 1);
    assert.equal(events.of("stop").length, 1);
    await assert.rejects(
      Client.connect(tree.addr.port),
      Deno.errors.ConnectionRefused,
    );
  },
);

netTest("EchoSupervisor drains its connections", async () => {
  const tree = await start();
  using client = await Client.connect(tree.addr.port);
  assert.equal(await client.echo("one\n"), "one\n");
  await client.send("tw");
  const shutdown = tree.shutdown();
  await client.send("o\n");
  assert.equal(text(await client.receiveAll()), "two\n");
  client.close();
  await shutdown;
});

netTest(
  "EchoSupervisor is refused a port that is taken, and leaves nothing behind",
  async () => {
    await using taken = await start();
    const { port } = taken.addr;
    await assert.rejects(start({ port }), Deno.errors.AddrInUse);
  },
);

for (
  const [options, kind, name] of [
    [{ port: 65_536 }, "RangeError", "port"],
    [{ workers: 0 }, "RangeError", "workers"],
    [{ workers: 257 }, "RangeError", "workers"],
    [{ workers: 1.5 }, "RangeError", "workers"],
    [{ workers: 3, maxConnections: 2 }, "RangeError", "workers"],
    [{ workers: 2, handler: echo() }, "TypeError", "handler"],
  ] as const
) {
  Deno.test(`EchoSupervisor refuses ${Deno.inspect(options)}`, async () => {
    await assert.rejects(start(options), {
      name: kind,
      message: new RegExp(`^${name} `),
    });
  });
}

netTest(
  "EchoSupervisor starts a server again whose accept loop died",
  async () => {
    using accepting = new FailingAccept();
    const events = new Events();
    await using tree = await start({ onEvent: events.hear });
    const { port } = tree.addr;
    using before = await Client.connect(port);
    assert.equal(await before.echo("one\n"), "one\n");

    accepting.failures = 1;
    using last = await Client.connect(port);
    assert.equal((await events.saw("listening", 2)).addr.port, port);
    assert.deepEqual(events.of("restart"), [{
      type: "restart",
      id: "server",
      reason: "accept is out of order",
    }]);

    using after = await Client.connect(port);
    for (const client of [before, last, after]) {
      assert.equal(await client.echo("two\n"), "two\n");
    }
  },
);

programTest({
  name: "EchoSupervisor starts a server again at its UDP port, which is free",
}, async () => {
  using accepting = new FailingAccept();
  const events = new Events();
  await using tree = await EchoSupervisor.start(EchoServer, {
    listen: ["tcp://127.0.0.1:0", "udp://127.0.0.1:0?latency=60s"],
    shutdownTimeout: 1,
    onEvent: events.hear,
  });
  const [tcp, udp] = tree.addrs as [Deno.NetAddr, Deno.NetAddr];
  using delayed = UdpClient.to(`udp://127.0.0.1:${udp.port}`);
  await delayed.send("delayed");
  // What was sent is received before it is heard of the end of accepting.
  using before = await Client.connect(tcp.port);
  assert.equal(await before.echo("one\n"), "one\n");

  accepting.failures = 1;
  using after = await Client.connect(tcp.port);
  assert.equal((await events.saw("listening", 4)).addr.port, udp.port);
  assert.equal(events.of("restart").length, 1);
  assert.equal(await after.echo("two\n"), "two\n");
});

netTest(
  "EchoSupervisor keeps counting the connections from before a restart",
  async () => {
    using accepting = new FailingAccept();
    const events = new Events();
    await using tree = await start({ maxConnections: 2, onEvent: events.hear });
    const { port } = tree.addr;
    accepting.failures = 1;
    const first = await Client.connect(port);
    await events.saw("listening", 2);
    using second = await Client.connect(port);
    assert.equal(await second.echo("two\n"), "two\n");
    using third = await Client.connect(port);
    const echoed = third.echo("three\n");
    let served = false;
    echoed.then(() => served = true);
    for (let i = 0; i < 10; i++) await first.echo("one\n");
    assert.equal(served, false);
    first.close();
    assert.equal(await echoed, "three\n");
  },
);

netTest(
  "EchoSupervisor tells a seed that it has drawn once, also after a restart",
  async () => {
    using accepting = new FailingAccept();
    const events = new Events();
    await using tree = await EchoSupervisor.start(EchoServer, {
      listen: "tcp://127.0.0.1:0?corrupt=1",
      onEvent: events.hear,
    });
    const { port } = tree.addr;
    using before = await Client.connect(port);
    const changed = await before.echo("one\n");
    accepting.failures = 1;
    using _client = await Client.connect(port);
    await events.saw("listening", 2);
    assert.equal(events.of("seed").length, 1);
    assert.notEqual(changed, "one\n");
  },
);

netTest("EchoSupervisor gives up when accepting keeps failing", async () => {
  using accepting = new FailingAccept();
  const events = new Events();
  const tree = await start({ onEvent: events.hear });
  accepting.failures = Infinity;
  using client = await Client.connect(tree.addr.port);
  assert.equal((await client.receiveAll()).length, 0);
  client.close();
  await assert.rejects(tree.finished, (error: Error) => {
    assert.match(error.message, /gave up.*"server".*accept is out of order/);
    assert.equal((error.cause as Error).message, "accept is out of order");
    return true;
  });
  assert.equal(events.of("restart").length, 3);
  assert.equal(events.of("stop").length, 1);
});

programTest({
  name: "echoserver that keeps failing says so in one line and exits 1",
  ignore: EXECUTABLE !== undefined,
}, async () => {
  const preload = import.meta.resolve("../../support/failing_accept.ts");
  await using program = await Program.listening([], {
    permissions: ["--allow-net", `--preload=${preload}`],
  });
  const { code, stderr } = await program.ended();
  assert.equal(code, 1, stderr);
  const log = stderr.trimEnd().split("\n").map((line) =>
    line.replace(/^\S+Z /, "")
  );
  const restarts = log.filter((line) =>
    line === "warning restarting server: accept is out of order"
  );
  assert.equal(restarts.length, 3, stderr);
  assert.match(log.at(-1)!, /^error Supervisor gave up: .*"server"/);
  assert.ok(log.every((line) => /^(info|warning|error) /.test(line)), stderr);
});

/** What this process uses, once what nobody uses any more is gone. */
async function usage() {
  const open = await descriptors();
  collectGarbage();
  const { heapUsed, external } = Deno.memoryUsage();
  return {
    memory: heapUsed + external,
    descriptors: open,
    timers: process.getActiveResourcesInfo(),
  };
}

programTest({
  name:
    "EchoSupervisor keeps nothing of 10,000 connections, a third of which crash, and loses no byte of the others",
  ignore: !PROC,
}, async () => {
  let handled = 0;
  let ended = 0;
  let crashed = 0;
  let echoed = 0;
  const echoLines = echo();
  const handler: Handler = (connection) => {
    if (++handled % 3 === 0) throw new Error("every third");
    return echoLines(connection);
  };
  await using tree = await start({
    handler,
    onEvent: (event) => {
      if (event.type !== "connection") return;
      ended++;
      if (event.ending === "failed") crashed++;
    },
  });
  const visit = async (number: number) => {
    using client = await Client.connect(tree.addr.port);
    const sent = `line ${number}\nand a tail`;
    try {
      await client.send(sent);
      await client.closeWrite();
      const received = text(await client.receiveAll());
      if (received === sent) echoed++;
      else assert.equal(received, "");
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
  };
  const visits = async (count: number) => {
    for (let i = 0; i < count; i += 100) {
      await Promise.all(Array.from({ length: 100 }, (_, j) => visit(i + j)));
    }
    while (ended < handled) await turn();
  };

  // The first have code compiled that stays.
  await visits(1000);
  const before = await usage();
  await visits(10_000);
  let after = await usage();
  // The runtime frees some descriptors a little after their socket is closed.
  for (let i = 0; i < 100 && after.descriptors > before.descriptors; i++) {
    after = await usage();
  }

  assert.equal(handled, 11_000);
  assert.equal(crashed, 3666);
  assert.equal(echoed, 11_000 - 3666);
  assert.ok(after.descriptors <= before.descriptors);
  assert.deepEqual(after.timers, before.timers);
  assert.ok(after.memory - before.memory < 2 * 1024 * 1024);
});

programTest({
  name: "EchoSupervisor serves one port, and shares the limit, with workers",
  ignore: !PROC,
}, async () => {
  const workers = new MortalWorkers();
  const events = new Events();
  await using tree = await startOn(workers, {
    workers: 2,
    maxConnections: 101,
    onEvent: events.hear,
  });
  const { port } = tree.addr;
  assert.equal(events.of("listening").length, 1);
  assert.equal(events.of("listening")[0]?.addr.port, port);
  assert.deepEqual(
    workers.settings.map(({ listeners, maxConnections }) => [
      listeners[0]?.port,
      maxConnections,
    ]),
    [[port, 50], [port, 51]],
  );
  for (const client of await connectAll(port, 40)) {
    assert.equal(await client.echo("one\n"), "one\n");
    client.close();
  }
  await events.saw("connection", 40);
  const [one = 0, other = 0] = workers.served;
  assert.ok(one > 0 && other > 0);
  assert.equal(one + other, 40);
});

programTest({
  name: "EchoSupervisor draws one seed for all workers, and tells it once",
  ignore: !PROC,
}, async () => {
  const workers = new MortalWorkers();
  const events = new Events();
  const settings = resolve({
    listen: "tcp://127.0.0.1:0?corrupt=0.1",
    workers: 2,
    onEvent: events.hear,
  });
  await using tree = await EchoSupervisor.startWith(
    EchoServer,
    settings,
    undefined,
    workers,
  );
  const [told] = events.of("seed");
  assert.deepEqual(events.of("seed"), [told]);
  assert.equal(told?.listener, `tcp://127.0.0.1:${tree.addr.port}`);
  assert.deepEqual(
    workers.settings.map(({ listeners }) => listeners[0]?.faults?.seed),
    [told?.seed, told?.seed],
  );
});

programTest({
  name: "EchoSupervisor is refused a port that is taken with workers",
  ignore: !PROC,
}, async () => {
  await using taken = await start();
  const { port } = taken.addr;
  await assert.rejects(start({ port, workers: 2 }), Deno.errors.AddrInUse);
});

programTest({
  name:
    "EchoSupervisor is refused a port that is taken by the workers of another",
  ignore: !PROC,
}, async () => {
  await using taken = await start({ workers: 2 });
  const { port } = taken.addr;
  await assert.rejects(start({ port, workers: 2 }), Deno.errors.AddrInUse);
  await assert.rejects(start({ port }), Deno.errors.AddrInUse);
});

programTest({
  name: "EchoSupervisor starts all workers or none",
  ignore: !PROC,
}, async () => {
  const workers = new MortalWorkers();
  const port = freePort();
  {
    // Enough to start one.
    const { sockets } = new FewDescriptors(40);
    await assert.rejects(
      startOn({ ...workers, sockets }, { port, workers: 2 }),
      /^Error: Cannot start worker 2: out of descriptors \(EMFILE\), raise/,
    );
  }
  assert.equal(workers.all.length, 1);
  await assert.rejects(Client.connect(port), Deno.errors.ConnectionRefused);
});

programTest({
  name: "EchoSupervisor drains all workers in one drain",
  ignore: !PROC,
}, async () => {
  const events = new Events();
  const tree = await start({ workers: 2, onEvent: events.hear });
  const clients = await connectAll(tree.addr.port, 20);
  for (const client of clients) {
    await client.echo("one\n");
    await client.send("tw");
  }
  const shutdown = tree.shutdown();
  await events.saw("drain");
  await Promise.all(clients.map(async (client) => {
    await client.send("o\n");
    assert.equal(text(await client.receiveAll()), "two\n");
    client.close();
  }));
  await shutdown;
  await tree.finished;
  assert.deepEqual(events.of("drain"), [
    { type: "drain", connections: 20, seconds: 15 },
  ]);
  assert.deepEqual(events.of("stop"), [{
    type: "stop",
    connections: 20,
    passedOver: 0,
    bytesIn: 160,
    bytesOut: 160,
  }]);
});

programTest({
  name:
    "EchoSupervisor replaces a worker that dies in mid-load, and the clients of the other lose nothing",
  ignore: !PROC,
}, async () => {
  const workers = new MortalWorkers();
  const events = new Events();
  await using tree = await startOn(workers, {
    workers: 2,
    onEvent: events.hear,
  });
  const { port } = tree.addr;
  const clients = await connectAll(port, 40);
  const lived = await liveThrough(clients, async () => {
    workers.kill(0);
    await workers.listened(3);
  });
  assert.deepEqual(events.of("restart"), [{
    type: "restart",
    id: "worker 1",
    reason: "killed",
  }]);
  assert.ok(lived > 0 && lived < clients.length);
  assert.equal(workers.served[1], undefined);

  // Two serve the port again: when the other dies too, it is the newcomer's
  // clients who live. (Some may be sent to the dead, as long as it is warm.)
  const more: Client[] = [];
  for (const client of await connectAll(port, 40)) {
    clients.push(client);
    if (await keepEchoing(client, { stop: true })) more.push(client);
  }
  const livedOn = await liveThrough(more, async () => {
    workers.kill(1);
    await workers.listened(4);
  });
  assert.equal(events.of("restart")[1]?.id, "worker 2");
  assert.ok(livedOn > 0 && livedOn < more.length);
  for (const client of clients) client.close();
});

programTest({
  name: "EchoSupervisor replaces no worker while descriptors are out",
  ignore: !PROC,
}, async () => {
  const workers = new MortalWorkers();
  const descriptors = new FewDescriptors(Infinity);
  const { sockets } = descriptors;
  const events = new Events();
  await using _tree = await startOn(
    { ...workers, sockets },
    { workers: 2, onEvent: events.hear },
  );
  descriptors.left = 0;
  workers.kill(0);
  assert.equal((await events.saw("shortage")).code, "EMFILE");
  assert.equal(workers.all.length, 2);
  descriptors.left = Infinity;
  await workers.listened(3);
  assert.equal(events.of("shortage").length, 1);
  assert.equal(events.of("restart").length, 1);
});

programTest({
  name: "EchoSupervisor can be shut down while it replaces a worker",
  ignore: !PROC,
}, async () => {
  const workers = new MortalWorkers();
  const events = new Events();
  const tree = await startOn(workers, { workers: 2, onEvent: events.hear });
  workers.kill(0);
  await events.saw("restart");
  await tree.shutdown();
  await tree.finished;
  assert.equal(workers.stopped, workers.all.length - 1);
  assert.equal(events.of("stop").length, 1);
});

programTest({
  name: "EchoSupervisor that drains takes no client with a worker it replaces",
  ignore: !PROC,
}, async () => {
  const workers = new MortalWorkers();
  const events = new Events();
  const tree = await startOn(workers, { workers: 2, onEvent: events.hear });
  const clients = await connectAll(tree.addr.port, 40);
  for (const client of clients) {
    await client.echo("one\n");
    await client.send("tw");
  }
  workers.kill(0);
  await events.saw("restart");
  const shutdown = tree.shutdown();
  const { connections } = await events.saw("drain");
  assert.ok(connections > 0 && connections < clients.length);
  // So many tries take longer than the start of a worker.
  for (let i = 0; i < 2000; i++) {
    await assert.rejects(async () => {
      using late = await Client.connect(tree.addr.port);
      if (await late.echo("late\n") === "") throw new Error("not served");
    });
  }
  for (const client of clients) client.close();
  await shutdown;
  assert.equal(events.of("stop").length, 1);
});

programTest({
  name: "echoserver says in one line that a worker has died, and nothing else",
  ignore: !PROC || EXECUTABLE !== undefined,
}, async () => {
  const preload = import.meta.resolve("../../support/dying_workers.ts");
  await using program = await Program.listening(["--workers", "2"], {
    permissions: ["--allow-net", "--allow-read", `--preload=${preload}`],
  });
  program.kill("SIGUSR2");
  await program.saw(/ warning restarting worker 1: .*killed\n/);
  program.kill("SIGTERM");
  const { code, stderr } = await program.ended();
  assert.equal(code, 0, stderr);
  const log = stderr.trimEnd().split("\n");
  assert.equal(log.length, 4, stderr);
  assert.ok(log.every((line) => /^\S+Z (info|warning) /.test(line)), stderr);
});

programTest({
  name: "echoserver starts workers with permission for its own port alone",
  ignore: !PROC || EXECUTABLE !== undefined,
}, async () => {
  const port = freePort();
  const address = `127.0.0.1:${port}`;
  await using program = Program.spawn(
    ["--host", "127.0.0.1", "--port", `${port}`, "--workers", "2"],
    { permissions: [`--allow-net=${address}`, "--allow-read"] },
  );
  await program.saw(RegExp(`listening on ${address}\n`));
  using client = await Client.connect(port);
  assert.equal(await client.echo("one\n"), "one\n");
});

/** Starts a tree with two workers, and says what came back from it. */
const REMOTE = (mod: string) => `
  import { EchoServer, EchoSupervisor } from "${mod}";
  const options = { port: 0, host: "127.0.0.1", workers: 2 };
  await using tree = await EchoSupervisor.start(EchoServer, options);
  using conn = await Deno.connect({ ...tree.addr, transport: "tcp" });
  await conn.write(new TextEncoder().encode("one"));
  await conn.closeWrite();
  console.log(await new Response(conn.readable).text());
`;

programTest({
  name: "EchoSupervisor starts workers when its code came over HTTP",
  ignore: !PROC || EXECUTABLE !== undefined,
}, async () => {
  await using files = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      const file = new URL(`../../..${pathname}`, import.meta.url);
      const type = pathname.endsWith(".json")
        ? "application/json"
        : "application/typescript";
      const headers = { "content-type": type };
      return new Response(await Deno.readTextFile(file), { headers });
    },
  );
  // A cache of its own: another day, another may serve on that port.
  await using cache = await temporaryDirectory();
  const host = `127.0.0.1:${files.addr.port}`;
  const permissions = ["--allow-net", `--allow-import=${host}`];
  const main = REMOTE(`http://${host}/lib/mod.ts`);
  await using program = Program.other(Deno.execPath(), [
    "run",
    "--no-prompt",
    "--no-check",
    "--unstable-net",
    ...permissions,
    `data:application/typescript,${encodeURIComponent(main)}`,
  ], { env: { DENO_DIR: cache.path } });
  const { code, stdout, stderr } = await program.ended();
  assert.deepEqual([code, stdout], [0, "one\n"], stderr);
});
