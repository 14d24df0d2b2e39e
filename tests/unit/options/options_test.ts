import assert from "node:assert/strict";
import { PROGRAM } from "../../support/program.ts";
import {
  type EchoServerOptions,
  type EchoSupervisorOptions,
  type ListenOptions,
  resolve,
} from "../../../lib/options/options.ts";
import { FAULTS, optionsIn, type Table } from "../../../lib/options/schema.ts";

const API = Object.entries(optionsIn("api"));
const FIELDS = Object.entries(optionsIn("object"));
const PEM = "-----BEGIN CERTIFICATE-----\n";

const COMMON = {
  mode: "line",
  maxLineLength: 65_536,
  idleTimeout: 300,
  greeting: false,
};
const DEFAULTS = {
  maxConnections: 10_000,
  maxPerAddress: 0,
  shutdownTimeout: 15,
  backlog: 4096,
  workers: 1,
  name: "echoserver",
  allow: [],
  deny: [],
};

function listener(rest: object) {
  const plain = { transport: "tcp", host: "0.0.0.0", port: 1050, path: "" };
  return { ...plain, ...COMMON, proxy: [], alpn: [], ...rest };
}

/** What the options come to, without the function that is always there. */
function resolved(options: number | EchoSupervisorOptions) {
  const { onEvent, ...data } = resolve(options);
  assert.equal(typeof onEvent, "function");
  return data;
}

function listeners(options: EchoSupervisorOptions) {
  return resolve(options).listeners;
}

Deno.test("resolve fills in every default", () => {
  assert.deepEqual(resolved({}), { ...DEFAULTS, listeners: [listener({})] });
  const nothing = Object.fromEntries(API.map(([name]) => [name, undefined]));
  assert.deepEqual(resolved(nothing), resolved({}));
});

Deno.test("resolve takes a number alone for the port", () => {
  assert.deepEqual(resolved(7), resolved({ port: 7 }));
  assert.deepEqual(listeners({ port: 7 }), [listener({ port: 7 })]);
});

Deno.test("resolve reads every option", () => {
  const handler = () => Promise.resolve();
  const { listeners, ...rest } = resolved({
    host: "[::1]",
    port: 0,
    mode: "raw",
    maxLineLength: 1,
    maxConnections: 2,
    maxPerAddress: 1,
    idleTimeout: 0.5,
    shutdownTimeout: 0.25,
    backlog: 3,
    workers: 1,
    allow: ["10.0.0.0/8"],
    deny: ["10.0.0.1"],
    greeting: true,
    name: "pod",
    admin: "[::1]:9090",
    handler,
  });
  assert.deepEqual(listeners, [
    listener({
      host: "::1",
      port: 0,
      mode: "raw",
      maxLineLength: 1,
      idleTimeout: 0.5,
      greeting: true,
    }),
  ]);
  assert.deepEqual(rest, {
    maxConnections: 2,
    maxPerAddress: 1,
    shutdownTimeout: 0.25,
    backlog: 3,
    workers: 1,
    allow: ["10.0.0.0/8"],
    deny: ["10.0.0.1"],
    name: "pod",
    admin: { host: "::1", port: 9090 },
    handler,
  });
});

Deno.test("resolve takes a certificate where there is TLS", () => {
  const pair = { tlsCert: PEM, tlsKey: PEM };
  for (const tls of ["tls://:0", { transport: "tls" }] as const) {
    for (const listen of [tls, ["tcp://:0", tls]]) {
      const { tlsCert, tlsKey } = resolved({ listen, ...pair });
      assert.deepEqual({ tlsCert, tlsKey }, pair);
    }
  }
});

Deno.test("resolve ignores what it does not know", () => {
  assert.deepEqual(resolved({ prot: 7 } as object), resolved({}));
  const listen = { transport: "udp", foo: 7 } as ListenOptions;
  assert.deepEqual(listeners({ listen }), [listener({ transport: "udp" })]);
});

Deno.test("resolve takes a URL, an object, or an array of both", () => {
  const raw = listener({ host: "::1", port: 7, mode: "raw" });
  assert.deepEqual(listeners({ listen: "tcp://[::1]:7?mode=raw" }), [raw]);
  const object: ListenOptions = { host: "[::1]", port: 7, mode: "raw" };
  assert.deepEqual(listeners({ listen: object }), [raw]);
  const unix = listener({
    transport: "unix",
    host: "",
    port: 0,
    path: "@echo",
  });
  assert.deepEqual(
    listeners({ listen: ["unix:@echo", { transport: "unix", path: "@echo" }] }),
    [unix, unix],
  );
});

Deno.test("resolve gives a listener the server's options unless it has its own", () => {
  const [own, server] = listeners({
    mode: "raw",
    maxLineLength: 7,
    idleTimeout: 8,
    greeting: true,
    listen: [
      "tcp://:1?mode=line&max-line-length=9&idle-timeout=0&greeting=off",
      "tcp://:1",
    ],
  });
  assert.deepEqual(
    own,
    listener({ port: 1, mode: "line", maxLineLength: 9, idleTimeout: 0 }),
  );
  assert.deepEqual(
    server,
    listener({
      port: 1,
      mode: "raw",
      maxLineLength: 7,
      idleTimeout: 8,
      greeting: true,
    }),
  );
});

Deno.test("resolve keeps faults together, and has none where none is given", () => {
  const faults = (listen: string | ListenOptions) =>
    listeners({ listen })[0]!.faults;
  assert.equal(faults("tcp://:1"), undefined);
  assert.equal(faults("tcp://:1?seed=1&share=0.5"), undefined);
  const latency = { latency: 0, seed: 1 };
  assert.deepEqual(faults("tcp://:1?seed=1&latency=0"), latency);
  assert.deepEqual(faults({ mode: "raw", ...latency }), latency);
});

Deno.test("resolve takes no denied networks, and faults of UDP beside a handler", () => {
  const handler = async () => {};
  const { deny, listeners } = resolved({
    deny: [],
    handler,
    listen: "udp://:1?loss=1",
  });
  assert.deepEqual(deny, []);
  assert.deepEqual(listeners[0]?.faults, { loss: 1 });
});

Deno.test("resolve gives plain data, which can cross threads", () => {
  const settings = resolved({
    listen: ["tls://:1?alpn=h2&latency=1s", "unix:@a"],
    allow: ["::1"],
    admin: 9090,
  });
  assert.deepEqual(structuredClone(settings), settings);
});

const WRONG: [options: unknown, error: Error][] = [
  [70_000, range("port", 0, 65_535, "70000")],
  [NaN, range("port", 0, 65_535, "NaN")],
  [{ port: "1050" }, range("port", 0, 65_535, '"1050"')],
  [{ port: null }, range("port", 0, 65_535, "null")],
  [{ maxConnections: 1.5 }, range("maxConnections", 1, 1_000_000, "1.5")],
  [
    { idleTimeout: -0.1 },
    new RangeError("idleTimeout must be a number from 0 to 86400, not -0.1"),
  ],
  ["1050", type('options must be a port or an object, not "1050"')],
  [null, type("options must be a port or an object, not null")],
  [[], type("options must be a port or an object, not []")],
  [
    { host: "" },
    type('host must be an address or a name without a port, not ""'),
  ],
  [
    { host: 7 },
    type("host must be an address or a name without a port, not 7"),
  ],
  [
    { host: "127.0.0.1:80" },
    type(
      'host must be an address or a name without a port, not "127.0.0.1:80"',
    ),
  ],
  [
    { host: "[127.0.0.1]" },
    type('host must be an address or a name without a port, not "[127.0.0.1]"'),
  ],
  [{ mode: "lines" }, type('mode must be "line" or "raw", not "lines"')],
  [{ greeting: "on" }, type('greeting must be true or false, not "on"')],
  [{ name: "" }, type('name must be 1 to 255 characters, not ""')],
  [{ handler: "echo" }, type('handler must be a function, not "echo"')],
  [{ onEvent: null }, type("onEvent must be a function, not null")],
  [
    { allow: [] },
    type(
      'allow must be a non-empty array of addresses or networks, such as ["10.0.0.0/8"], not []',
    ),
  ],
  [
    { deny: ["10.0.0.0/8", "10.0.0.0/33", "x"] },
    type(
      'deny must be an array of addresses or networks, such as ["10.0.0.0/8"], not one with "10.0.0.0/33" in it',
    ),
  ],
  [
    { handler: () => {}, listen: ["udp://:1?latency=1s", "tcp://:1?rate=1k"] },
    type(
      "listen[1] cannot have faults beside a handler: pipe through latency() and the like in the handler",
    ),
  ],
  [{ tlsCert: PEM }, type("tlsCert and tlsKey must be given together")],
  [
    { tlsCert: PEM, tlsKey: PEM },
    type("tlsCert and tlsKey need listen tls://HOST:PORT"),
  ],
  [
    { tlsCert: PEM, tlsKey: PEM, listen: ["tcp://:1", { transport: "unix" }] },
    type("tlsCert and tlsKey need listen tls://HOST:PORT"),
  ],
  [{ tlsKey: PEM }, type("tlsCert and tlsKey must be given together")],
  [
    { workers: 3, maxConnections: 2 },
    new RangeError("workers must be at most maxConnections (2), not 3"),
  ],
  [
    { workers: 2, handler: () => {} },
    type("handler cannot cross threads: leave it out, or workers at 1"),
  ],
  [
    { listen: "tcp://:1", port: 7 },
    type("listen and port cannot be combined"),
  ],
  [
    { listen: [{}], host: "::" },
    type("listen and host cannot be combined"),
  ],
  [{ listen: 7 }, notListen("7")],
  [{ listen: [] }, notListen("[]")],
  [{ listen: [7] }, notListen("one with 7 in it")],
  [{ listen: null }, notListen("null")],
  [{ listen: [["tcp://:1"]] }, notListen('one with [ "tcp://:1" ] in it')],
  [
    { listen: "tcp://:1?foo=1" },
    type('listen tcp://:1?foo=1: unknown parameter "foo"'),
  ],
  [
    { listen: ["tcp://:1", "tcp://:1?foo=1"] },
    type('listen[1] tcp://:1?foo=1: unknown parameter "foo"'),
  ],
  [{ listen: { port: 65_536 } }, range("listen.port", 0, 65_535, "65536")],
  [
    { listen: [{}, { seed: 0.5 }] },
    range("listen[1].seed", 0, 2 ** 53 - 1, "0.5"),
  ],
  [
    { listen: { transport: "http" } },
    type(
      'listen.transport must be "tcp" or "tls" or "udp" or "unix", not "http"',
    ),
  ],
  [{ listen: { alpn: ["h2"] } }, type("listen.alpn is not for tcp")],
  [
    { listen: { transport: "udp", mode: "raw" } },
    type("listen.mode is not for udp"),
  ],
  [{ listen: { path: "/a" } }, type("listen.path is not for tcp")],
  [
    { listen: { transport: "unix", path: "a", port: 0 } },
    type("listen.port is not for unix"),
  ],
  [{ listen: { transport: "unix" } }, badPath("undefined")],
  [{ listen: { transport: "unix", path: "@" } }, badPath('"@"')],
];

function type(message: string): TypeError {
  return new TypeError(message);
}

function range(name: string, min: number, max: number, not: string) {
  const takes = `a whole number from ${min} to ${max}`;
  return new RangeError(`${name} must be ${takes}, not ${not}`);
}

function notListen(not: string): TypeError {
  const takes =
    "the URL of a listener, its options, or a non-empty array of such";
  return new TypeError(`listen must be ${takes}, not ${not}`);
}

function badPath(not: string): TypeError {
  const takes =
    "a path, or @ and an abstract name, of 1 to 107 bytes without NUL";
  return new TypeError(`listen.path must be ${takes}, not ${not}`);
}

for (const [options, error] of WRONG) {
  Deno.test(`resolve refuses ${Deno.inspect(options)}`, () => {
    assert.throws(() => resolve(options as EchoServerOptions), error);
  });
}

for (const [name, option] of API) {
  const { kind: { range } } = option;
  if (!range) continue;
  Deno.test(`resolve takes ${name} from ${range.min} to ${range.max} and no more`, () => {
    const extra = name === "workers" ? { maxConnections: 256 } : {};
    for (const value of [range.min, range.max]) {
      const settings = resolve({ [name]: value, ...extra });
      const found = { ...settings.listeners[0], ...settings };
      assert.equal(found[name as keyof typeof found], value);
    }
    for (const value of [range.min - 1, range.max + 1]) {
      assert.throws(() => resolve({ [name]: value, ...extra }), RangeError);
    }
  });
}

for (const [name, option] of FIELDS) {
  const { kind: { range }, on } = option;
  if (!range) continue;
  Deno.test(`resolve takes a listener's ${name} from ${range.min} to ${range.max} and no more`, () => {
    const transport = on?.[0] ?? "tcp";
    const read = (value: number) => {
      // Share and seed are kept only beside a fault.
      const fault = transport === "udp" ? { loss: 1 } : { slice: 1 };
      const listen = { transport, ...fault, [name]: value };
      const [listener] = listeners({ listen });
      return { ...listener, ...listener!.faults }[name as "port"];
    };
    for (const value of [range.min, range.max]) {
      assert.equal(read(value), value);
    }
    for (const value of [range.min - 1, range.max + 1]) {
      assert.throws(() => read(value), RangeError);
    }
  });
}

Deno.test("onEvent of the settings never fails", async () => {
  const event = { type: "drain", connections: 0, seconds: 15 } as const;
  let calls = 0;
  for (
    const onEvent of [
      () => {
        calls++;
        throw new Error("at once");
      },
      () => {
        calls++;
        return Promise.reject(new Error("later"));
      },
    ]
  ) {
    const settings = resolve({ onEvent });
    await settings.onEvent(event);
  }
  assert.equal(calls, 2);
});

// These compile only if they name every option of the type and no other.
const API_NAMES: Record<keyof EchoSupervisorOptions, true> = {
  listen: true,
  port: true,
  host: true,
  mode: true,
  maxLineLength: true,
  maxConnections: true,
  maxPerAddress: true,
  idleTimeout: true,
  shutdownTimeout: true,
  backlog: true,
  workers: true,
  allow: true,
  deny: true,
  greeting: true,
  name: true,
  tlsCert: true,
  tlsKey: true,
  admin: true,
  handler: true,
  onEvent: true,
};
const LISTENER_NAMES: Record<keyof ListenOptions, true> = {
  transport: true,
  host: true,
  port: true,
  path: true,
  mode: true,
  maxLineLength: true,
  idleTimeout: true,
  greeting: true,
  proxy: true,
  alpn: true,
  latency: true,
  jitter: true,
  rate: true,
  slice: true,
  limit: true,
  blackhole: true,
  slowClose: true,
  corrupt: true,
  loss: true,
  share: true,
  seed: true,
};

Deno.test("the schema has the options of the public types and no others", () => {
  const names = (record: object) => Object.keys(record).sort();
  assert.deepEqual(names(optionsIn("api")), names(API_NAMES));
  assert.deepEqual(names(optionsIn("object")), names(LISTENER_NAMES));
});

Deno.test("a URL has every field of a listener but its address", () => {
  const address = ["transport", "host", "port", "path"];
  assert.deepEqual(
    [...Object.keys(optionsIn("url")), ...address].sort(),
    Object.keys(LISTENER_NAMES).sort(),
  );
});

/** The JSDoc of a field of an interface, on one line. */
async function described(
  file: string,
  owner: string,
  field: string,
): Promise<string> {
  const path = import.meta.resolve(`../../../lib/options/${file}`);
  const source = await Deno.readTextFile(new URL(path));
  const body = source.slice(source.indexOf(`export interface ${owner} `));
  const found = body.slice(0, body.indexOf("\n}\n")).match(
    new RegExp(String.raw`/\*\*(?:(?!\*/)[^])*\*/\s+${field}\?:`),
  );
  assert.ok(found, `${owner} has no ${field}`);
  return found[0].replace(/[\s*]+/g, " ");
}

function assertRange(words: string, { kind: { range } }: Table[string]): void {
  if (!range) return;
  assert.ok(words.includes(`${range.min} to ${range.max}`), words);
}

function assertDefault(words: string, { default: value }: Table[string]): void {
  if (value === undefined) return;
  assert.ok(words.includes(`@default {${JSON.stringify(value)}}`), words);
}

for (const [name, option] of API) {
  Deno.test({
    name: `the documentation of ${name} has its range and default`,
    ignore: !PROGRAM,
    fn: async () => {
      const owner = name === "workers"
        ? "EchoSupervisorOptions"
        : "EchoServerOptions";
      const words = await described("options.ts", owner, name);
      assertRange(words, option);
      assertDefault(words, option);
    },
  });
}

for (const [name, option] of FIELDS) {
  Deno.test({
    name: `the documentation of a listener's ${name} has its range and default`,
    ignore: !PROGRAM,
    fn: async () => {
      const words = option.group === FAULTS
        ? await described("../faults/faults.ts", "FaultSettings", name)
        : await described("listen.ts", "ListenOptions", name);
      assertRange(words, option);
      const { places } = option;
      // What the server has, too, comes from there.
      if (places.includes("url") && places.includes("api")) return;
      assertDefault(words, option);
    },
  });
}
