import assert from "node:assert/strict";
import type { Address } from "../../../lib/net/address.ts";
import {
  type ConnectionEvent,
  logger,
  type LoggerOptions,
  type ServerEvent,
} from "../../../lib/mod.ts";
import { Client } from "../../support/client.ts";
import { freePort } from "../../support/ports.ts";
import { Program, programTest, run, until } from "../../support/program.ts";

const NOON = Date.UTC(2026, 0, 2, 12, 0, 0, 5);
const TIME = "2026-01-02T12:00:00.005Z";

const remoteAddr: Address = {
  transport: "tcp",
  hostname: "::1",
  port: 4711,
};

const LISTENING: ServerEvent = {
  type: "listening",
  addr: remoteAddr,
  listener: "tcp://[::1]:4711",
};
const CLOSED: ConnectionEvent = {
  type: "connection",
  listener: "tcp://[::1]:1050",
  connection: 7,
  remoteAddr,
  bytesIn: 12,
  bytesOut: 10,
  seconds: 1.23456,
  ending: "closed",
};
const FAILED: ConnectionEvent = {
  ...CLOSED,
  ending: "failed",
  reason: "crash",
};
const PROXIED: ConnectionEvent = {
  ...CLOSED,
  remoteAddr: { transport: "tcp", hostname: "203.0.113.7", port: 80 },
  peerAddr: remoteAddr,
};
const UNNAMED: ConnectionEvent = {
  ...CLOSED,
  listener: "unix:/run/echo.sock",
  remoteAddr: { transport: "unix", hostname: "", port: 0, path: "" },
};
const REJECTED: ServerEvent = {
  type: "rejected",
  listener: "tls://[::1]:1051",
  remoteAddr,
  reason: "handshake",
  detail: "no TLS handshake within 10 s",
};
const LIMIT: ServerEvent = { type: "limit", reached: true, connections: 100 };
const SHORTAGE: ServerEvent = { type: "shortage", code: "EMFILE" };
const RESTART: ServerEvent = {
  type: "restart",
  id: "server",
  reason: "accept failed",
};
const DRAIN: ServerEvent = { type: "drain", connections: 2, seconds: 15 };
const STOP: ServerEvent = {
  type: "stop",
  connections: 3,
  passedOver: 2,
  bytesIn: 12,
  bytesOut: 10,
};
const STATE: ServerEvent = {
  ...STOP,
  type: "state",
  ready: true,
  open: 1,
  since: TIME,
};
const CERTIFICATE: ServerEvent = {
  type: "certificate",
  fingerprint: "12ab",
  names: "localhost, ::1",
  validFrom: "2025-03-04T00:00:00.000Z",
  validTo: "2027-01-02T12:00:00.000Z",
  valid: true,
};
const FAILURE: ServerEvent = {
  type: "failure",
  reason: "Cannot listen on 127.0.0.1:80: permission denied",
};

/** The lines that are written for events. */
function lines(options: LoggerOptions, ...events: ServerEvent[]): string[] {
  const written: string[] = [];
  const write = (line: string) => void written.push(line);
  events.forEach(logger({ now: () => NOON, ...options, write }));
  return written;
}

for (
  const [event, line] of [
    [LISTENING, "info listening on [::1]:4711"],
    [
      CLOSED,
      "debug connection [::1]:4711 closed: 12 bytes in, 10 bytes out, 1.235 s",
    ],
    [
      FAILED,
      "warning connection [::1]:4711 failed: 12 bytes in, 10 bytes out, 1.235 s: crash",
    ],
    [
      SHORTAGE,
      'warning out of descriptors (EMFILE), clients wait: raise "ulimit -n"',
    ],
    [
      { type: "shortage", code: "ENOBUFS" },
      "warning out of memory for sockets (ENOBUFS), clients wait",
    ],
    [
      { type: "shortage", code: "EAGAIN" },
      'warning out of threads (EAGAIN), a worker waits: raise "ulimit -u"',
    ],
    [
      { ...LISTENING, listener: "tls://[::1]:4711" },
      "info listening on tls://[::1]:4711",
    ],
    [
      { ...LISTENING, listener: "unix:/run/echo.sock" },
      "info listening on unix:/run/echo.sock",
    ],
    [
      PROXIED,
      "debug connection 203.0.113.7:80 (via [::1]:4711) closed: 12 bytes in, 10 bytes out, 1.235 s",
    ],
    [
      UNNAMED,
      "debug connection 7 on unix:/run/echo.sock closed: 12 bytes in, 10 bytes out, 1.235 s",
    ],
    [
      REJECTED,
      "debug rejected [::1]:4711 on tls://[::1]:1051: no TLS handshake within 10 s",
    ],
    [
      LIMIT,
      "warning 100 connections open, other clients wait: raise --max-connections",
    ],
    [
      { ...LIMIT, connections: 1 },
      "warning 1 connection open, other clients wait: raise --max-connections",
    ],
    [
      { ...LIMIT, reached: false },
      "info fewer than 100 connections open again",
    ],
    [
      { ...LIMIT, connections: 1, reached: false },
      "info fewer than 1 connection open again",
    ],
    [RESTART, "warning restarting server: accept failed"],
    [
      DRAIN,
      "info draining 2 connections: 15 s at most, a second signal ends it at once",
    ],
    [{ ...DRAIN, connections: 0 }, "info draining 0 connections"],
    [{ ...DRAIN, seconds: 0 }, "info draining 2 connections"],
    [
      STOP,
      "info stopped: 3 connections served, 2 aborted before accept, 12 bytes in, 10 bytes out",
    ],
    [
      { ...STOP, passedOver: 0, bytesOut: 0, rejected: 4 },
      "info stopped: 3 connections served, 4 rejected, 12 bytes in",
    ],
    [
      {
        type: "stop",
        connections: 0,
        passedOver: 0,
        bytesIn: 9,
        bytesOut: 9,
        datagramsIn: 2,
        datagramsOut: 1,
      },
      "info stopped: 9 bytes in, 9 bytes out, 2 datagrams in, 1 datagram out",
    ],
    [
      { type: "stop", connections: 0, passedOver: 0, bytesIn: 0, bytesOut: 0 },
      "info stopped: 0 connections served",
    ],
    [
      STATE,
      `info ready: 1 connection open; since ${TIME}: 3 connections served, 2 aborted before accept, 12 bytes in, 10 bytes out`,
    ],
    [
      { ...STATE, ready: false, connections: 0, passedOver: 0, bytesIn: 0 },
      `info draining: 1 connection open; since ${TIME}: 10 bytes out`,
    ],
    [
      { type: "certificate", fingerprint: "12ab" },
      "info self-signed certificate made, SHA-256 12ab",
    ],
    [
      CERTIFICATE,
      "info certificate for localhost, ::1, valid until 2027-01-02, SHA-256 12ab",
    ],
    [
      { ...CERTIFICATE, valid: false },
      "warning certificate for localhost, ::1 is only valid from 2025-03-04 to 2027-01-02, SHA-256 12ab",
    ],
    [
      {
        type: "faults",
        listener: "tcp://127.0.0.1:1051",
        faults: "latency 80 s, corrupt 0.05",
      },
      "info faults of tcp://127.0.0.1:1051: latency 80 s, corrupt 0.05",
    ],
    [
      { type: "seed", listener: "tcp://127.0.0.1:1051", seed: 5 },
      "info faults of tcp://127.0.0.1:1051 have seed 5",
    ],
    [
      { type: "admin", url: "http://127.0.0.1:9090" },
      "info admin listening on http://127.0.0.1:9090",
    ],
    [
      { type: "hangup" },
      "info SIGHUP ignored: there was no terminal at the start",
    ],
    [
      { type: "fallback", host: "::", instead: "0.0.0.0" },
      "warning IPv6 is not available: listening on 0.0.0.0 in place of ::",
    ],
    [{ type: "dropped", lines: 12 }, "warning 12 log lines dropped"],
    [{ type: "dropped", lines: 1 }, "warning 1 log line dropped"],
    [FAILURE, "error Cannot listen on 127.0.0.1:80: permission denied"],
  ] as const
) {
  Deno.test(`logger writes a line for a ${event.type} event (${line})`, () => {
    assert.deepEqual(lines({ verbosity: "verbose" }, event), [
      `${TIME} ${line}`,
    ]);
  });
}

Deno.test("logger speaks of one thing in the singular", () => {
  const one: ServerEvent[] = [
    { type: "drain", connections: 1, seconds: 15 },
    { ...STOP, connections: 1, passedOver: 1, bytesIn: 1, bytesOut: 1 },
    { ...CLOSED, bytesIn: 1, bytesOut: 1 },
  ];
  for (const line of lines({ verbosity: "verbose" }, ...one)) {
    assert.doesNotMatch(line, /\b1 (connections|bytes)/);
  }
});

Deno.test("logger writes by default what happens to the server", () => {
  const events = [LISTENING, CLOSED, FAILED, SHORTAGE, RESTART, DRAIN, FAILURE];
  assert.deepEqual(
    lines({}, ...events).map((line) => line.split(" ")[1]),
    ["info", "warning", "warning", "warning", "info", "error"],
  );
});

Deno.test("logger writes only warnings and errors if it is quiet", () => {
  const events = [LISTENING, CLOSED, FAILED, SHORTAGE, RESTART, DRAIN, FAILURE];
  assert.deepEqual(
    lines({ verbosity: "quiet" }, ...events).map((line) => line.split(" ")[1]),
    ["warning", "warning", "warning", "error"],
  );
});

for (
  const [event, expected] of [
    [LISTENING, {
      level: "info",
      event: "listening",
      addr: "[::1]:4711",
      listener: "tcp://[::1]:4711",
    }],
    [PROXIED, {
      level: "debug",
      event: "connection",
      listener: "tcp://[::1]:1050",
      connection: 7,
      remoteAddr: "203.0.113.7:80",
      remoteHost: "203.0.113.7",
      remotePort: 80,
      peerAddr: "[::1]:4711",
      bytesIn: 12,
      bytesOut: 10,
      seconds: 1.23456,
      ending: "closed",
    }],
    [UNNAMED, {
      level: "debug",
      event: "connection",
      listener: "unix:/run/echo.sock",
      connection: 7,
      remoteAddr: "unix:",
      bytesIn: 12,
      bytesOut: 10,
      seconds: 1.23456,
      ending: "closed",
    }],
    [REJECTED, {
      level: "debug",
      event: "rejected",
      listener: "tls://[::1]:1051",
      remoteAddr: "[::1]:4711",
      remoteHost: "::1",
      remotePort: 4711,
      reason: "handshake",
      detail: "no TLS handshake within 10 s",
    }],
    [FAILED, {
      level: "warning",
      event: "connection",
      listener: "tcp://[::1]:1050",
      connection: 7,
      remoteAddr: "[::1]:4711",
      remoteHost: "::1",
      remotePort: 4711,
      bytesIn: 12,
      bytesOut: 10,
      seconds: 1.23456,
      ending: "failed",
      reason: "crash",
    }],
    [SHORTAGE, { level: "warning", event: "shortage", code: "EMFILE" }],
    [RESTART, {
      level: "warning",
      event: "restart",
      id: "server",
      reason: "accept failed",
    }],
    [DRAIN, { level: "info", event: "drain", connections: 2, seconds: 15 }],
    [FAILURE, {
      level: "error",
      event: "failure",
      reason: "Cannot listen on 127.0.0.1:80: permission denied",
    }],
  ] as const
) {
  Deno.test(`logger writes a ${event.type} event as one JSON object`, () => {
    const verbosity = "verbose";
    const [line, ...more] = lines({ format: "json", verbosity }, event);
    assert.deepEqual(more, []);
    const { message, ...fields } = JSON.parse(line!);
    assert.deepEqual(fields, { time: TIME, ...expected });
    assert.deepEqual(lines({ verbosity }, event), [
      `${TIME} ${expected.level} ${message}`,
    ]);
  });
}

for (const format of ["text", "json"] as const) {
  Deno.test(`logger escapes what could end a line or steer a terminal (${format})`, () => {
    const reason = "a\r\n\0\x1b[31m\x7f\x9b2J\u2028\u2029b";
    const [line] = lines({ format }, { ...FAILED, reason }, {
      ...RESTART,
      id: reason,
    });
    // deno-lint-ignore no-control-regex -- they are what is looked for
    assert.doesNotMatch(line!, /[\0-\x1f\x7f-\x9f\u2028\u2029]/);
    assert.match(line!, /\\u001b\[31m/);
  });
}

for (
  const options of [
    { format: "xml" },
    { verbosity: "loud" },
    { write: 5 },
    { now: null },
  ]
) {
  const [name] = Object.keys(options);
  Deno.test(`logger refuses ${Deno.inspect(options)}`, () => {
    assert.throws(() => logger(options as LoggerOptions), {
      name: "TypeError",
      message: new RegExp(`^${name} must be `),
    });
  });
}

Deno.test("logger gives back in JSON what it was told, control characters too", () => {
  const reason = "a\r\n\0\x1b[31m\x7f\x9b2J\u2028\u2029b\\";
  const [line] = lines({ format: "json" }, { ...FAILED, reason });
  assert.equal(JSON.parse(line!).reason, reason);
});

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/**
 * What the program logs from its start to its end, with one connection of 12
 * bytes between.
 */
async function session(...args: string[]): Promise<string[]> {
  await using program = await Program.listening(args);
  {
    using client = await Client.connect(program.port);
    await client.echo("one\ntwo\nsix\n");
    await client.closeWrite();
    await client.receiveAll();
  }
  program.kill();
  const { code, stdout, stderr } = await program.ended();
  assert.deepEqual([code, stdout], [0, ""]);
  assert.ok(stderr.endsWith("\n"));
  return stderr.trimEnd().split("\n");
}

programTest("echoserver logs its start, its drain and its totals", async () => {
  const log = (await session()).map((line) => {
    const [time, level, ...message] = line.split(" ");
    assert.match(time!, RFC_3339);
    assert.equal(level, "info");
    return message.join(" ");
  });
  assert.equal(log.length, 3);
  assert.match(log[0]!, /^listening on 127\.0\.0\.1:\d+$/);
  assert.match(log[1]!, /^draining \d connections?(: 15 s at most, .*)?$/);
  assert.match(
    log[2]!,
    /^stopped: 1 connection.* 12 bytes in, 12 bytes out$/,
  );
});

programTest("echoserver --verbose logs each connection that ends", async () => {
  const line = (await session("--verbose"))
    .filter((line) => line.includes(" connection 127.0.0.1:"));
  assert.equal(line.length, 1);
  assert.match(
    line[0]!,
    /^\S+Z debug connection 127\.0\.0\.1:\d+ closed: 12 bytes in, 12 bytes out, \d+\.\d{3} s$/,
  );
});

programTest(
  "echoserver --log-format json logs one JSON object a line",
  async () => {
    const log = (await session("--log-format", "json", "--verbose"))
      .map((line) => JSON.parse(line));
    for (const { time, level, event, message } of log) {
      assert.match(time, RFC_3339);
      assert.equal(level, event === "connection" ? "debug" : "info");
      assert.equal(typeof message, "string");
    }
    const stop = log.find(({ event }) => event === "stop");
    assert.equal(stop.connections, 1);
    assert.equal(stop.bytesIn, 12);
    assert.equal(stop.bytesOut, 12);
    const { remoteAddr, remoteHost, remotePort, ending } = log.find((
      { event },
    ) => event === "connection");
    assert.equal(remoteHost, "127.0.0.1");
    assert.equal(remoteAddr, `127.0.0.1:${remotePort}`);
    assert.equal(ending, "closed");
  },
);

programTest(
  "echoserver --quiet logs nothing at all of a good life",
  async () => {
    const port = freePort();
    await using program = Program.spawn(
      ["--quiet", "--host", "127.0.0.1", "--port", `${port}`],
    );
    {
      // It does not say when it is ready.
      using client = await until(() => Client.connect(port));
      assert.equal(await client.echo("one\n"), "one\n");
    }
    program.kill();
    const { code, stdout, stderr } = await program.ended();
    assert.deepEqual([code, stdout, stderr], [0, "", ""]);
  },
);

programTest("echoserver --quiet still says why it cannot start", async () => {
  const { stderr } = await run(["--quiet", "--host", "192.0.2.1"]);
  assert.match(stderr, /^\S+ error Cannot listen on 192\.0\.2\.1:1050: /);
});
