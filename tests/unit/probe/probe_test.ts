import assert from "node:assert/strict";
import { EchoServer } from "../../../lib/mod.ts";
import type { ProbeOptions } from "../../../lib/probe/options.ts";
import { probe } from "../../../lib/probe/probe.ts";
import type { ProbeReport } from "../../../lib/probe/report.ts";
import type { ProbeErrors } from "../../../lib/probe/tally.ts";
import {
  type Answer,
  changed,
  MisbehavingServer,
  MisbehavingSocket,
} from "../../support/misbehaving_server.ts";
import { NO_NAME, nobody } from "../../support/ports.ts";
import { inTime, IPV6, NET, until } from "../../support/program.ts";

const ignore = !NET;

const NO_ERRORS: ProbeErrors = {
  lost: 0,
  wrong: 0,
  timeout: 0,
  refused: 0,
  reset: 0,
};

/** Starts a server of this project. */
async function echoServer(): Promise<EchoServer & { address: string }> {
  const server = await EchoServer.start({ port: 0, host: "127.0.0.1" });
  const address = `127.0.0.1:${server.addr.port}`;
  return Object.assign(server, { address });
}

/** Probes a server that answers so, with one connection unless told otherwise. */
async function probed(
  answer: Answer,
  options: ProbeOptions,
): Promise<ProbeReport> {
  await using server = await MisbehavingServer.start(answer);
  return await probe(server.address, { connections: 1, ...options });
}

Deno.test({
  name: "probe finds every line of a good server right",
  ignore,
}, async () => {
  await using server = await echoServer();
  for (const size of [16, 17, 64, 4099, 100_000]) {
    const report = await probe(server.address, {
      connections: 5,
      inFlight: 3,
      count: 100,
      size,
    });
    assert.deepEqual(report.errors, NO_ERRORS);
    assert.equal(report.first_error, undefined);
    assert.equal(report.lines, 100);
    assert.equal(report.bytes, 100 * size);
    assert.equal(report.connections, 5);
    assert.equal(report.target, `tcp://${server.address}`);
    assert.equal(report.ok, true);
  }
});

Deno.test({
  name: "probe is not stuck by lines larger than all socket buffers",
  ignore,
}, async () => {
  await using server = await echoServer();
  const report = await probe(server.address, {
    connections: 2,
    inFlight: 16,
    count: 64,
    size: 1_048_576,
  });
  assert.equal(report.lines, 64);
  assert.equal(report.ok, true);
});

Deno.test({
  name: "probe reports times in order, and none that it has not measured",
  ignore,
}, async () => {
  await using server = await echoServer();
  const report = await probe(server.address, { count: 200 });
  const { min, p50, p90, p99, p99_9, max, mean } = report.latency_ms;
  const rising = [min, p50, p90, p99, p99_9, max].map(Number);
  assert.deepEqual(rising, rising.toSorted((a, b) => a - b));
  assert(min! > 0 && mean! >= min! && mean! <= max!);
  assert(report.connect_ms.min! > 0);
  assert.equal("uncorrected_latency_ms" in report, false);
  assert.equal("greetings" in report, false);
  const none = await probe(nobody(), { count: 1 });
  assert.equal(none.latency_ms.p99, null);
  assert.equal(none.latency_ms.mean, null);
  assert.equal(none.ok, false);
});

Deno.test({
  name: "probe ends after its duration",
  ignore,
}, async () => {
  await using server = await echoServer();
  const report = await probe(server.address, { duration: 0.3 });
  assert(report.seconds >= 0.29, `it took ${report.seconds} s`);
  assert(report.lines > 0);
  assert.equal(report.ok, true);
});

Deno.test({
  name: "probe keeps to its rate",
  ignore,
}, async () => {
  await using server = await echoServer();
  const report = await probe(server.address, { rate: 200, duration: 1 });
  // A machine that is busy may miss some.
  assert(report.lines > 0 && report.lines <= 200, `${report.lines} lines`);
  assert.equal(report.ok, true);
});

Deno.test({
  name: "probe opens a connection for each line if it is told to",
  ignore,
}, async () => {
  await using server = await echoServer();
  for (const rate of [0, 500]) {
    const report = await probe(server.address, {
      connections: 3,
      count: 30,
      reconnect: true,
      rate,
    });
    assert.equal(report.lines, 30);
    assert.equal(report.connections, 30);
    assert.deepEqual(report.errors, NO_ERRORS);
    assert.equal(report.ok, true);
  }
});

Deno.test({
  name: "probe resolves names, and reaches IPv6",
  ignore: !IPV6,
}, async () => {
  await using server = await EchoServer.start({ port: 0, host: "::" });
  const { port } = server.addr;
  for (const host of ["localhost", "[::1]", "127.0.0.1"]) {
    const { ok } = await probe(`${host}:${port}`, { count: 10 });
    assert.equal(ok, true, host);
  }
});

Deno.test({
  name: "probe says in one line that a name does not resolve",
  ignore,
}, async () => {
  for (const scheme of ["tcp", "udp"]) {
    const address = `${scheme}://${NO_NAME}:1`;
    await assert.rejects(probe(address, { count: 1 }), {
      message: `Cannot connect to ${address}: the name does not resolve`,
    });
  }
});

Deno.test({
  name: "probe says which byte is wrong",
  ignore,
}, async () => {
  const report = await probed((line, number, { send }) => {
    send(number === 3 ? changed(line, 20) : line);
  }, { count: 10 });
  assert.deepEqual(report.errors, { ...NO_ERRORS, wrong: 1 });
  assert.equal(report.lines, 9);
  assert.equal(
    report.first_error,
    "connection 1: line 3 differs at byte 20",
  );
  assert.equal(report.ok, false);
});

Deno.test({
  name: "probe finds a line that comes twice",
  ignore,
}, async () => {
  const report = await probed((line, number, { send }) => {
    send(line);
    if (number === 3) send(line);
  }, { count: 10 });
  assert.deepEqual(report.errors, { ...NO_ERRORS, wrong: 1 });
  assert.equal(report.first_error, "connection 1: line 3 came twice");
});

Deno.test({
  name: "probe compares what comes between its FIN and the server's",
  ignore,
}, async () => {
  let last = new Uint8Array();
  await using server = await MisbehavingServer.start((line, _, { send }) => {
    last = new Uint8Array(line);
    send(line);
  }, { onEnd: ({ send }) => send(last) });
  // It waits for the server's FIN, but not for long.
  await until(async () => {
    const report = await probe(server.address, { connections: 1, count: 10 });
    assert.deepEqual(report.errors, { ...NO_ERRORS, wrong: 1 });
    assert.equal(report.first_error, "connection 1: line 9 came twice");
  });
});

Deno.test({
  name: "probe finds lines that are swapped",
  ignore,
}, async () => {
  let held: Uint8Array | undefined;
  const report = await probed((line, number, { send }) => {
    if (number === 4) {
      held = line;
      return;
    }
    send(line);
    if (held) send(held);
    held = undefined;
  }, { count: 20, inFlight: 4 });
  assert.deepEqual(report.errors, { ...NO_ERRORS, wrong: 1 });
  assert.equal(report.lines, 19);
});

Deno.test({
  name: "probe finds lines that came to another connection",
  ignore,
}, async () => {
  const held: { line: Uint8Array; send: (line: Uint8Array) => void }[] = [];
  const report = await probed((line, number, { send }) => {
    if (number !== 2) {
      send(line);
      return;
    }
    held.push({ line, send });
    if (held.length < 2) return;
    const [one, other] = held;
    one!.send(other!.line);
    other!.send(one!.line);
  }, { connections: 2, count: 20 });
  assert.deepEqual(report.errors, { ...NO_ERRORS, wrong: 2 });
  assert.match(report.first_error!, /line 2 came back as line 2 of connection/);
});

Deno.test({
  name: "probe finds a line that is left out",
  ignore,
}, async () => {
  const report = await probed((line, number, { send }) => {
    if (number !== 4) send(line);
  }, { count: 20, inFlight: 4 });
  assert.deepEqual(report.errors, { ...NO_ERRORS, lost: 1 });
  assert.equal(report.lines, 19);
});

Deno.test({
  name: "probe counts what an early FIN leaves unanswered as lost",
  ignore,
}, async () => {
  const report = await probed((line, number, { send, end }) => {
    if (number < 5) send(line);
    else end();
  }, { count: 20, inFlight: 3 });
  assert.equal(report.lines, 5);
  assert.equal(report.errors.lost, 3);
  assert.equal(report.ok, false);
});

Deno.test({
  name: "probe counts a line that is cut by a FIN as lost",
  ignore,
}, async () => {
  const report = await probed((line, number, { send, end }) => {
    if (number < 2) return send(line);
    send(line.subarray(0, 30));
    end();
  }, { count: 20 });
  assert.equal(report.lines, 2);
  assert.deepEqual(report.errors, { ...NO_ERRORS, lost: 1 });
});

Deno.test({
  name: "probe tells a reset from an end",
  ignore,
}, async () => {
  const report = await probed((line, number, { send, reset }) => {
    if (number < 5) send(line);
    else reset();
  }, { count: 20 });
  assert.deepEqual(report.errors, { ...NO_ERRORS, reset: 1 });
  assert.equal(report.lines, 5);
});

Deno.test({
  name: "probe counts refused connections, and does not come again",
  ignore,
}, async () => {
  const report = await probe(nobody(), { connections: 4 });
  assert.deepEqual(report.errors, { ...NO_ERRORS, refused: 4 });
  assert.equal(report.connections, 0);
  assert.equal(report.ok, false);
});

Deno.test({
  name: "probe comes again where each line has its connection",
  ignore,
}, async () => {
  const options = { connections: 1, count: 3, reconnect: true };
  const report = await probe(nobody(), options);
  assert.deepEqual(report.errors, { ...NO_ERRORS, refused: 3 });
});

Deno.test({
  name: "probe is not confused by answers that come after their time",
  ignore,
}, async () => {
  let late: Uint8Array | undefined;
  const report = await probed((line, number, { send }) => {
    if (number === 2) {
      late = line;
      return;
    }
    if (late) send(late);
    late = undefined;
    send(line);
  }, { count: 10, timeout: 0.3 });
  assertLateAnswers(report);
  assert.match(report.first_error!, /line \d had no answer within 0.3 s/);
  assert(report.seconds >= 0.3, `${report.seconds} s`);
});

/**
 * Checks that of ten lines those that came in time are right, and the others
 * are late, and nothing else. On a busy machine more than one may be.
 */
function assertLateAnswers({ errors, lines }: ProbeReport): void {
  const { timeout } = errors;
  assert(timeout > 0);
  assert.deepEqual(errors, { ...NO_ERRORS, timeout });
  assert.equal(lines, 10 - timeout);
}

Deno.test({
  name: "probe gives up a server that never answers",
  ignore,
}, async () => {
  const report = await probed(() => {}, { count: 2, timeout: 0.2 });
  assert.deepEqual(report.errors, { ...NO_ERRORS, timeout: 2 });
  assert.equal(report.lines, 0);
  assert.equal(report.ok, false);
});

Deno.test({
  name:
    "probe with a rate shows what a stall of a second does to those who wait",
  ignore,
}, async () => {
  const { promise: stall, resolve: start } = Promise.withResolvers<void>();
  let stalled = false;
  const report = await probed((line, number, { send }) => {
    if (number === 50) {
      stalled = true;
      setTimeout(() => {
        stalled = false;
        start();
      }, 1000);
    }
    if (stalled) stall.then(() => send(line));
    else send(line);
  }, { rate: 100, duration: 2 });
  // Of 200 lines 100 were due while it stood still: those wait 500 ms, median.
  const { p50, p90 } = report.latency_ms;
  assert(p90! > 500, `p90 is ${p90} ms`);
  assert(p50! > 5, `p50 is ${p50} ms`);
  // Each waits for the one before, so that only one was sent into the stall.
  assert(report.uncorrected_latency_ms!.p90! < p90!);
  assert(report.uncorrected_latency_ms!.max! > 900);
  assert.equal(report.ok, true);
});

Deno.test({
  name: "probe says that all connections ended early",
  ignore,
}, async () => {
  await using server = await MisbehavingServer.start(
    (line, number, { send, end }) => {
      send(line);
      if (number === 4) end();
    },
  );
  const options = { connections: 1, rate: 50, duration: 86_400 };
  const report = await inTime("an end", probe(server.address, options));
  assert.equal(report.lines, 5);
  assert.equal(report.ok, false);
});

Deno.test({
  name:
    "probe ends at once when its signal aborts, and counts no line under way",
  ignore,
}, async () => {
  const stop = new AbortController();
  const report = await probed((line, number, { send }) => {
    if (number < 10) send(line);
    else stop.abort();
  }, { signal: stop.signal });
  assert.equal(report.lines, 10);
  assert.deepEqual(report.errors, NO_ERRORS);
  assert.equal(report.ok, true);
});

Deno.test({
  name: "probe is ended by its signal, and not by a name that never resolves",
  ignore,
}, async () => {
  const stop = new AbortController();
  const { signal } = stop;
  const probing = probe("udp://no.such.invalid:7", { signal });
  stop.abort();
  const report = await probing;
  assert.deepEqual(report.errors, NO_ERRORS);
  assert.equal(report.stopped_early, true);
});

for (const transport of ["tcp", "udp", "unix"]) {
  for (const reconnect of [false, true]) {
    Deno.test({
      name:
        `probe of ${transport} opens nothing if its signal has aborted, reconnect ${reconnect}`,
      ignore,
    }, async () => {
      const original = [Deno.connect, Deno.listenDatagram] as const;
      const opened = () => {
        throw new Error("something was opened");
      };
      Deno.connect = Deno.listenDatagram = opened;
      try {
        const address = transport === "unix" ? "unix:a" : `${transport}://a:1`;
        const signal = AbortSignal.abort();
        const report = await probe(address, { signal, reconnect });
        assert.deepEqual(report.errors, NO_ERRORS);
        assert.equal(report.connections, 0);
      } finally {
        [Deno.connect, Deno.listenDatagram] = original;
      }
    });
  }
}

Deno.test({
  name: "probe tells how it goes",
  ignore,
}, async () => {
  await using server = await echoServer();
  const stop = new AbortController();
  const told: number[] = [];
  const probing = probe(server.address, {
    signal: stop.signal,
    duration: 86_400,
    onProgress: ({ lines, errors, p50, secondsLeft }) => {
      assert.equal(errors, 0);
      assert(secondsLeft! > 0);
      // It may have begun this very moment.
      if (lines === 0) return;
      assert(p50! > 0);
      told.push(lines);
      if (lines > told[0]!) stop.abort();
    },
  });
  await inTime("more lines", probing);
});

for (const kind of ["throws", "rejects"]) {
  Deno.test({
    name: `probe rejects with what its onProgress ${kind}`,
    ignore,
  }, async () => {
    await using server = await echoServer();
    const reason = new Error("no terminal");
    const onProgress = kind === "throws"
      ? () => {
        throw reason;
      }
      : () => Promise.reject(reason);
    await assert.rejects(probe(server.address, { onProgress }), reason);
  });
}

Deno.test({
  name: "probe counts the names that greet it",
  ignore,
}, async () => {
  const encoder = new TextEncoder();
  await using server = await MisbehavingServer.start(
    (line, _, { send }) => send(line),
    {
      onConnection: ({ connection, send }) => {
        const name = connection === 0 ? "one" : "other";
        send(encoder.encode(`${JSON.stringify({ name })}\n`));
      },
    },
  );
  const options = { connections: 3, count: 30, greeting: true };
  const report = await probe(server.address, options);
  assert.deepEqual(report.greetings, { one: 1, other: 2 });
  assert.equal(report.lines, 30);
  assert.equal(report.ok, true);
});

Deno.test({
  name:
    "probe finds what is no greeting, and a greeting that it does not expect",
  ignore,
}, async () => {
  const start = (text: string) =>
    MisbehavingServer.start((line, _, { send }) => send(line), {
      onConnection: ({ send }) => send(new TextEncoder().encode(text)),
    });
  const options = { connections: 1, count: 5 };
  await using banner = await start("Welcome\n");
  const welcome = await probe(banner.address, { ...options, greeting: true });
  assert.match(welcome.first_error!, /no greeting: it is not JSON/);
  assert(welcome.seconds >= 0, `${welcome.seconds} s`);
  assert.equal(welcome.ok, false);
  const plain = await probe(banner.address, options);
  assert.deepEqual(plain.errors, { ...NO_ERRORS, wrong: 1 });
  assert.equal(plain.lines, 5);
  await using silent = await start("");
  const nothing = await probe(silent.address, {
    ...options,
    greeting: true,
    timeout: 0.2,
  });
  assert.deepEqual(nothing.errors, { ...NO_ERRORS, timeout: 1 });
  assert(nothing.seconds > 0, `${nothing.seconds} s`);
  assert.equal(nothing.lines_per_second, 0);
});

Deno.test({
  name: "probe measures a Unix socket",
  ignore: ignore || Deno.build.os !== "linux",
}, async () => {
  const path = `\0probe-test-${crypto.randomUUID()}`;
  using listener = Deno.listen({ transport: "unix", path });
  const served = (async () => {
    using conn = await listener.accept();
    const buffer = new Uint8Array(4096);
    for (let n; (n = await conn.read(buffer)) !== null;) {
      await conn.write(buffer.subarray(0, n));
    }
  })();
  const address = `unix:@${path.slice(1)}`;
  const report = await probe(address, { connections: 1, count: 50 });
  await served;
  assert.equal(report.lines, 50);
  assert.equal(report.target, address);
  const missing = await probe("unix:/tmp/no-such.sock", { connections: 2 });
  assert.deepEqual(missing.errors, { ...NO_ERRORS, refused: 2 });
  assert.equal(missing.first_error, "there is no socket /tmp/no-such.sock");
});

Deno.test({
  name: "probe measures UDP, up to the largest datagram",
  ignore,
}, async () => {
  await using server = new MisbehavingSocket((datagram, _, send) => {
    send(datagram);
  });
  for (const size of [16, 1400, 65_507]) {
    // A socket's receive buffer holds only two of the largest.
    const connections = size > 1400 ? 1 : 3;
    const report = await probe(server.address, {
      connections,
      count: 40,
      size,
    });
    assert.equal(report.lines, 40);
    assert.deepEqual(report.errors, NO_ERRORS);
    assert.equal(report.connections, connections);
    assert.equal(report.connect_ms.p50, null);
  }
  const renewed = await probe(server.address, { count: 20, reconnect: true });
  assert.equal(renewed.connections, 20);
  assert.equal(renewed.ok, true);
});

Deno.test({
  name: "probe knows an answer over UDP however its address was written",
  ignore,
}, async () => {
  await using server = new MisbehavingSocket((datagram, _, send) => {
    send(datagram);
  });
  const address = server.address.replace("127.0.0.1", "127.1");
  const report = await probe(address, { connections: 1, count: 3 });
  assert.deepEqual(report.errors, NO_ERRORS);
  assert.equal(report.ok, true);
});

Deno.test({
  name: "probe names its target if it can open no socket",
  ignore,
}, async () => {
  const original = Deno.listenDatagram;
  Deno.listenDatagram = () => {
    throw Object.assign(new Error("Too many open files"), { code: "EMFILE" });
  };
  try {
    await assert.rejects(probe("udp://127.0.0.1:7", { count: 1 }), {
      message:
        'Cannot connect to udp://127.0.0.1:7: out of file descriptors, raise "ulimit -n"',
    });
  } finally {
    Deno.listenDatagram = original;
  }
});

Deno.test({
  name: "probe tells the system's time-out of a connection from its own",
  ignore,
}, async () => {
  const original = Deno.connect;
  const message = "Connection timed out (os error 110)";
  Deno.connect = () => {
    throw Object.assign(new Error(message), { code: "ETIMEDOUT" });
  };
  try {
    const report = await probe("127.0.0.1:7", { connections: 1, count: 1 });
    assert.deepEqual(report.errors, { ...NO_ERRORS, timeout: 1 });
    assert.equal(report.first_error, "Connection timed out");
  } finally {
    Deno.connect = original;
  }
});

Deno.test({
  name: "probe finds datagrams that are lost, doubled, changed or swapped",
  ignore,
}, async () => {
  let held: Uint8Array | undefined;
  await using server = new MisbehavingSocket((datagram, number, send) => {
    if (number === 3) return;
    if (number === 5) send(datagram);
    if (number === 7) return send(changed(datagram, 40));
    if (number === 9) {
      held = datagram;
      return;
    }
    send(datagram);
    // A network may do that: it is no error.
    if (held) send(held);
    held = undefined;
  });
  const report = await probe(server.address, {
    connections: 1,
    inFlight: 4,
    count: 20,
    timeout: 1,
  });
  assert.deepEqual(report.errors, { ...NO_ERRORS, wrong: 2, timeout: 1 });
  assert.equal(report.lines, 18);
});

Deno.test({
  name: "probe is not confused by datagrams that come after their time",
  ignore,
}, async () => {
  let late: Uint8Array | undefined;
  await using server = new MisbehavingSocket((datagram, number, send) => {
    if (number === 2) {
      late = datagram;
      return;
    }
    if (late) send(late);
    late = undefined;
    send(datagram);
  });
  const options = { connections: 1, count: 10, timeout: 0.3 };
  assertLateAnswers(await probe(server.address, options));
});

Deno.test({
  name: "probe does not take an answer from somebody else",
  ignore,
}, async () => {
  const other = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  const real = Deno.listenDatagram({
    transport: "udp",
    hostname: "127.0.0.1",
    port: 0,
  });
  const served = (async () => {
    const [datagram, peer] = await real.receive();
    await other.send(datagram, peer);
  })();
  const { port } = real.addr as Deno.NetAddr;
  const report = await probe(`udp://127.0.0.1:${port}`, {
    connections: 1,
    count: 1,
    timeout: 1,
  });
  await served;
  other.close();
  real.close();
  assert.deepEqual(report.errors, { ...NO_ERRORS, wrong: 1, timeout: 1 });
  assert.match(report.first_error!, /an answer came from 127\.0\.0\.1:\d+/);
});
