import assert from "node:assert/strict";
import { PROGRAM } from "../../support/program.ts";
import { optionsIn } from "../../../lib/options/schema.ts";
import type { Location } from "../../../lib/options/location.ts";
import {
  parseTarget,
  PROBE_OPTIONS,
  type ProbeOptions,
  resolveProbe,
} from "../../../lib/probe/options.ts";

const API = Object.entries(optionsIn("api", PROBE_OPTIONS));
const PEM = "-----BEGIN CERTIFICATE-----\n";
const FINGERPRINT = "0123456789ABCDEF".repeat(4);
const DEFAULTS = {
  connections: 10,
  rate: 0,
  duration: 10,
  inFlight: 1,
  count: undefined,
  size: 64,
  reconnect: false,
  timeout: 5,
  greeting: false,
};

function target(
  transport: Location["transport"],
  host: string,
  port: number,
  path = "",
): Location {
  return { transport, host, port, path };
}

Deno.test("resolveProbe fills in every default, and draws a seed", () => {
  const { seed, ...settings } = resolveProbe({});
  assert.deepEqual(settings, DEFAULTS);
  assert.ok(Number.isInteger(seed));
  assert.notEqual(seed, resolveProbe({}).seed);
});

Deno.test("resolveProbe has no default duration beside a count", () => {
  const duration = (options: ProbeOptions) => resolveProbe(options).duration;
  assert.equal(duration({ count: 1 }), undefined);
  assert.equal(duration({ count: 1, duration: 2 }), 2);
});

Deno.test("resolveProbe reads every option", () => {
  const options = {
    connections: 1,
    rate: 2,
    duration: 0.5,
    inFlight: 3,
    count: 4,
    size: 16,
    reconnect: true,
    timeout: 0.25,
    caCert: PEM,
    fingerprint: FINGERPRINT,
    greeting: true,
    seed: 5,
    signal: new AbortController().signal,
    onProgress: () => {},
  };
  assert.deepEqual(
    resolveProbe(options, target("tls", "a", 1)),
    { ...options, fingerprint: FINGERPRINT.toLowerCase() },
  );
});

for (const [name, { kind: { range } }] of API) {
  if (!range) continue;
  Deno.test(`resolveProbe takes ${name} from ${range.min} to ${range.max} and no more`, () => {
    for (const value of [range.min, range.max]) {
      const settings = resolveProbe({ [name]: value });
      assert.equal(settings[name as keyof typeof settings], value);
    }
    for (const value of [range.min - 1, range.max + 1]) {
      assert.throws(() => resolveProbe({ [name]: value }), RangeError);
    }
  });
}

for (
  const [options, transport, error] of [
    [{ size: 65_507 }, "udp", undefined],
    [
      { size: 65_508 },
      "udp",
      new RangeError(
        "size must be a whole number from 16 to 65507 for udp, not 65508",
      ),
    ],
    [{ size: 65_508 }, "tcp", undefined],
    [{ caCert: PEM }, "tcp", new TypeError("caCert is not for tcp")],
    [{ caCert: PEM }, "tls", undefined],
    [
      { fingerprint: FINGERPRINT },
      "unix",
      new TypeError("fingerprint is not for unix"),
    ],
    [{ greeting: true }, "udp", new TypeError("greeting is not for udp")],
    [{ greeting: false }, "udp", undefined],
    [
      { reconnect: 1 },
      "tcp",
      new TypeError("reconnect must be true or false, not 1"),
    ],
    [
      { signal: {} },
      "tcp",
      new TypeError("signal must be an AbortSignal, not {}"),
    ],
    [
      { caCert: "secret" },
      "tls",
      new TypeError("caCert must be PEM text, which has -----BEGIN in it"),
    ],
  ] as const
) {
  const verb = error ? "refuses" : "takes";
  Deno.test(`resolveProbe ${verb} ${Deno.inspect(options)} for ${transport}`, () => {
    const read = () =>
      resolveProbe(options as ProbeOptions, target(transport, "a", 1));
    if (error) assert.throws(read, error);
    else read();
  });
}

for (
  const [address, expected] of [
    ["localhost:1050", target("tcp", "localhost", 1050)],
    ["127.0.0.1:1", target("tcp", "127.0.0.1", 1)],
    ["[::1]:65535", target("tcp", "::1", 65_535)],
    ["tcp://a:1", target("tcp", "a", 1)],
    ["tls://[::1]:1", target("tls", "::1", 1)],
    ["udp://a:1", target("udp", "a", 1)],
    ["unix:/run/a", target("unix", "", 0, "/run/a")],
    ["unix:///run/a", target("unix", "", 0, "/run/a")],
    ["unix:@a", target("unix", "", 0, "@a")],
    ["unix:a%3Fb", target("unix", "", 0, "a?b")],
  ] as const
) {
  Deno.test(`parseTarget reads ${address}`, () => {
    assert.deepEqual(parseTarget(address), expected);
  });
}

for (
  const [address, why] of [
    ["", "the port is missing: write HOST:PORT"],
    ["localhost", "the port is missing: write HOST:PORT"],
    ["1050", "did you mean localhost:1050?"],
    [":1050", "the host is missing"],
    ["tcp://:1050", "the host is missing"],
    ["a:0", 'port takes a whole number from 1 to 65535, not "0"'],
    ["a:65536", 'port takes a whole number from 1 to 65535, not "65536"'],
    ["::1:80", "an IPv6 address goes in brackets, as in [::1]:1050"],
    ["u:p@a:1", "an address has no user or password"],
    ["a:1?mode=raw", "parameters are for listeners"],
    ["unix:/a?mode=raw", "parameters are for listeners"],
    ["a\n:1", 'host takes an address or a name, not "a\\n"'],
    [7, "it is not a string"],
  ] as const
) {
  Deno.test(`parseTarget refuses ${Deno.inspect(address)}`, () => {
    const forms =
      "an address such as host:port, tls://host:port, udp://host:port or unix:path";
    assert.throws(
      () => parseTarget(address as string),
      new TypeError(
        `probe takes ${forms}, not ${Deno.inspect(address)}: ${why}`,
      ),
    );
  });
}

// It compiles only if it names every option of the type and no other.
const NAMES: Record<keyof ProbeOptions, true> = {
  connections: true,
  rate: true,
  duration: true,
  inFlight: true,
  count: true,
  size: true,
  reconnect: true,
  timeout: true,
  caCert: true,
  fingerprint: true,
  greeting: true,
  seed: true,
  signal: true,
  onProgress: true,
};

Deno.test("the schema of a probe has the options of its public type", () => {
  assert.deepEqual(API.map(([name]) => name).sort(), Object.keys(NAMES).sort());
});

Deno.test({
  name: "the documentation of ProbeOptions has every range and default",
  ignore: !PROGRAM,
  fn: async () => {
    const path = import.meta.resolve("../../../lib/probe/options.ts");
    const source = await Deno.readTextFile(new URL(path));
    for (const [name, { kind: { range }, default: byDefault }] of API) {
      const found = source.match(
        new RegExp(String.raw`/\*\*(?:(?!\*/)[^])*\*/\s+${name}\?:`),
      );
      const words = found![0].replace(/[\s*]+/g, " ");
      if (range) {
        assert.ok(words.includes(`${range.min} to ${range.max}`), words);
      }
      if (byDefault === undefined) continue;
      assert.ok(words.includes(`@default {${byDefault}}`), words);
    }
  },
});
