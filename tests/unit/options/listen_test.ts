import assert from "node:assert/strict";
import fc from "fast-check";
import {
  describeFaults,
  type ListenOptions,
  parseListen,
} from "../../../lib/options/listen.ts";
import {
  dashed,
  isOn,
  type Option,
  optionsIn,
  TRANSPORTS,
} from "../../../lib/options/schema.ts";

const PARAMETERS = Object.entries(optionsIn("url"));
const PORT = "port takes a whole number from 0 to 65535";
const FORMS = "write tcp://HOST:PORT, tls://HOST:PORT, udp://HOST:PORT or unix";
const PATH =
  "unix: takes a path, or @ and an abstract name, of 1 to 107 bytes without NUL";
const LONGEST = "a".repeat(107);

const GOOD: [url: string, options: ListenOptions][] = [
  ["tcp://127.0.0.1:1050", { transport: "tcp", host: "127.0.0.1", port: 1050 }],
  ["tcp://:0", { transport: "tcp", host: "0.0.0.0", port: 0 }],
  ["tcp://:65535", at("tcp", "0.0.0.0", 65_535)],
  ["tls://[::1]:80", { transport: "tls", host: "::1", port: 80 }],
  ["tls://[::]:80", { transport: "tls", host: "::", port: 80 }],
  ["tcp://[fe80::1%25eth0]:1", at("tcp", "fe80::1%eth0", 1)],
  ["tcp://[fe80::1%eth0]:1", at("tcp", "fe80::1%eth0", 1)],
  ["udp://echo.example:7", at("udp", "echo.example", 7)],
  ["udp://Bücher_1:007", at("udp", "Bücher_1", 7)],
  ["unix:/run/echo.sock", { transport: "unix", path: "/run/echo.sock" }],
  ["unix:///run/echo", { transport: "unix", path: "/run/echo" }],
  ["unix:////run/echo", { transport: "unix", path: "//run/echo" }],
  ["unix:echo.sock", { transport: "unix", path: "echo.sock" }],
  ["unix:../echo/", { transport: "unix", path: "../echo/" }],
  ["unix:@echo", { transport: "unix", path: "@echo" }],
  ["unix:./@echo", { transport: "unix", path: "./@echo" }],
  ["unix:/a%3Fb%25c%20d", { transport: "unix", path: "/a?b%c d" }],
  ["unix:/a#b&c=d:e", { transport: "unix", path: "/a#b&c=d:e" }],
  [`unix:${LONGEST}`, { transport: "unix", path: LONGEST }],
  [`unix:@${LONGEST}`, { transport: "unix", path: `@${LONGEST}` }],
  ["tcp://:1?mode=raw", { ...at("tcp", "0.0.0.0", 1), mode: "raw" }],
  [
    "tls://:1?mode=line&max-line-length=64Ki&idle-timeout=1m&greeting=on" +
    "&proxy=10.0.0.0/8,::1&alpn=h2,http%2F1.1&slow-close=1.5s&share=.5",
    {
      ...at("tls", "0.0.0.0", 1),
      mode: "line",
      maxLineLength: 65_536,
      idleTimeout: 60,
      greeting: true,
      proxy: ["10.0.0.0/8", "::1"],
      alpn: ["h2", "http/1.1"],
      slowClose: 1.5,
      share: 0.5,
    },
  ],
  [
    "udp://:1?latency=250ms&jitter=10ms&corrupt=0.001&loss=1&seed=7",
    {
      ...at("udp", "0.0.0.0", 1),
      latency: 0.25,
      jitter: 0.01,
      corrupt: 0.001,
      loss: 1,
      seed: 7,
    },
  ],
  [
    "unix:a?rate=1M&slice=7&limit=0&blackhole=0&greeting=off",
    {
      transport: "unix",
      path: "a",
      rate: 1_000_000,
      slice: 7,
      limit: 0,
      blackhole: 0,
      greeting: false,
    },
  ],
];

function at(
  transport: "tcp" | "tls" | "udp",
  host: string,
  port: number,
): ListenOptions {
  return { transport, host, port };
}

const BAD: [url: string, why: string][] = [
  ["", FORMS],
  ["tcp", FORMS],
  ["/run/echo.sock", FORMS],
  ["1050", "did you mean tcp://:1050?"],
  [":1050", "did you mean tcp://:1050?"],
  ["[::1]:1050", "did you mean tcp://[::1]:1050?"],
  ["localhost:1050?mode=raw", "did you mean tcp://localhost:1050?"],
  ["http://localhost", FORMS],
  ["TCP://:1", 'unknown transport "TCP": did you mean tcp?'],
  ["unx:/a", 'unknown transport "unx": did you mean unix?'],
  ["tcp:localhost", "write tcp://HOST:PORT"],
  ["udp:/a:1", "write udp://HOST:PORT"],
  ["tcp://", "the port is missing: write HOST:PORT"],
  ["tcp://localhost", "the port is missing: write HOST:PORT"],
  ["tcp://localhost:", "the port is missing: write HOST:PORT"],
  ["tcp://[::1]", "the port is missing: write HOST:PORT"],
  ["tcp://:65536", `${PORT}, not "65536"`],
  ["tcp://:1/", `${PORT}, not "1/"`],
  ["tcp://:1#a", `${PORT}, not "1#a"`],
  ["tcp://:%31", `${PORT}, not "%31"`],
  ["tcp://:-1", `${PORT}, not "-1"`],
  ["tcp://::1:80", "an IPv6 address goes in brackets, as in [::1]:1050"],
  ["tcp://[::1]80", "an IPv6 address goes in brackets, as in [::1]:1050"],
  ["tcp://[::1:80", "an IPv6 address goes in brackets, as in [::1]:1050"],
  ["tcp://[]:1", 'host takes an address or a name, not "[]"'],
  ["tcp://[127.0.0.1]:1", 'host takes an address or a name, not "[127.0.0.1]"'],
  ["tcp://[1::2::3]:1", 'host takes an address or a name, not "[1::2::3]"'],
  ["tcp://a b:1", 'host takes an address or a name, not "a b"'],
  ["tcp://me@a:1", "an address has no user or password"],
  ["tcp://me:secret@a:1", "an address has no user or password"],
  ["tcp://a/b:1", 'host takes an address or a name, not "a/b"'],
  ["tcp://%61:1", 'host takes an address or a name, not "%61"'],
  ["tcp://a\n:1", 'host takes an address or a name, not "a\\n"'],
  ["unix:", PATH],
  ["unix:@", PATH],
  ["unix:?mode=raw", PATH],
  [`unix:${LONGEST}a`, PATH],
  [`unix:@${LONGEST}a`, PATH],
  [`unix:${"é".repeat(54)}`, PATH],
  ["unix:a%00b", PATH],
  ["unix://a", "unix:// takes no host: write unix:PATH"],
  ["unix://@a", "unix:// takes no host: write unix:PATH"],
  ["unix:a%", "path has a % that two hex digits of UTF-8 must follow"],
  ["unix:a%ff", "path has a % that two hex digits of UTF-8 must follow"],
  ["tcp://:1?foo=1", 'unknown parameter "foo"'],
  ["tcp://:1?mod=raw", 'unknown parameter "mod": did you mean mode?'],
  ["tcp://:1?slowClose=1", 'unknown parameter "slowClose": did you mean slow'],
  ["tcp://:1?port=1", 'unknown parameter "port"'],
  ["tcp://:1?__proto__=1", 'unknown parameter "__proto__"'],
  ["tcp://:1?mode=raw&", 'unknown parameter ""'],
  ["tcp://:1??mode=raw", 'unknown parameter "?mode"'],
  ["tcp://:1?", 'unknown parameter ""'],
  ["tcp://:1?=raw", 'unknown parameter ""'],
  ["tcp://:1?mode", "mode takes line or raw, but none was given"],
  ["tcp://:1?mode=", 'mode takes line or raw, not ""'],
  ["tcp://:1?mode=raw=x", 'mode takes line or raw, not "raw=x"'],
  [
    "tcp://:1?mode=%zz",
    "mode has a % that two hex digits of UTF-8 must follow",
  ],
  ["tcp://:1?mode=raw&mode=raw", "mode is given twice"],
  ["tcp://:1?alpn=h2", "alpn is not for tcp"],
  ["udp://:1?rate=1k", "rate is not for udp"],
  ["unix:a?proxy=::1", "proxy is not for unix"],
  ["tcp://:1?loss=0.5", "loss is not for tcp"],
  ["tcp://:1?greeting=yes", 'greeting takes on or off, not "yes"'],
  ["tcp://:1?corrupt=10%", 'corrupt takes a number from 0 to 1, not "10%"'],
  [
    "tcp://:1?allow=::1",
    'unknown parameter "allow": it is an option, for all listeners',
  ],
  ["tcp://a:1,tls://b:2", "each listener needs a URL of its own: repeat --lis"],
  ["udp://a:1 unix:b", "each listener needs a URL of its own: repeat --listen"],
  ["tcp://:1?share=2", 'share takes a number from 0 to 1, not "2"'],
  ["tcp://:1?seed=-1", "seed takes a whole number from 0 to 90071992547409"],
  [
    "tcp://:1?latency=1h",
    "latency takes a duration from 0 to 86400 s, such as 250ms, 2s or 1m, not",
  ],
  [
    "tcp://:1?rate=0",
    "rate takes a size from 1 to 1000000000000 bytes, such as 512, 64k, 1M, 64Ki",
  ],
];

Deno.test("describeFaults has them in words, but for the seed", () => {
  const faults = parseListen(
    "tcp://:1?seed=7&share=0.5&slow-close=20ms&rate=1k&corrupt=.01&latency=80",
  );
  assert.equal(
    describeFaults(faults),
    "latency 80 s, rate 1000 bytes, slow-close 0.02 s, corrupt 0.01, share 0.5",
  );
});

for (const [url, options] of GOOD) {
  Deno.test(`parseListen reads ${url.slice(0, 90)}`, () => {
    assert.deepEqual(parseListen(url), options);
  });
}

/** Whether the text is one line, without what could steer a terminal. */
function isPlainLine(text: string): boolean {
  // deno-lint-ignore no-control-regex -- they are what is looked for
  return /^[^\0-\x1f\x7f-\x9f\u2028\u2029]+$/.test(text);
}

for (const [url, why] of BAD) {
  Deno.test(`parseListen refuses ${JSON.stringify(url.slice(0, 90))}`, () => {
    assert.throws(() => parseListen(url, "--listen"), (error: Error) => {
      assert.ok(error instanceof TypeError);
      const shown = JSON.stringify(url).slice(1, -1).replace("\\n", "\\u000a");
      const expected = `--listen ${shown}: ${why}`;
      assert.ok(error.message.startsWith(expected), error.message);
      assert.ok(isPlainLine(error.message));
      return true;
    });
  });
}

/** The URL of a listener of the transport, without parameters. */
function bare(transport: string): string {
  return transport === "unix" ? "unix:a" : `${transport}://:1`;
}

for (const [name, option] of PARAMETERS) {
  Deno.test(`parseListen takes ${dashed(name)} for its transports only`, () => {
    for (const transport of TRANSPORTS) {
      const url = `${bare(transport)}?${dashed(name)}=${sample(option)}`;
      if (isOn(option, transport)) {
        assert.ok(Object.hasOwn(parseListen(url), name));
      } else {
        const why = `${dashed(name)} is not for ${transport}`;
        assert.throws(
          () => parseListen(url),
          new TypeError(`listen ${url}: ${why}`),
        );
      }
    }
  });

  const { range } = option.kind;
  if (!range) continue;
  Deno.test(`parseListen takes ${dashed(name)} from ${range.min} to ${range.max} and no more`, () => {
    const transport = option.on?.[0] ?? "tcp";
    const read = (value: string | number) =>
      parseListen(`${bare(transport)}?${dashed(name)}=${value}`);
    for (const value of [range.min, range.max]) {
      assert.equal(read(value)[name as keyof ListenOptions], value);
    }
    for (const value of [range.min - 1, `${BigInt(range.max) + 1n}`]) {
      assert.throws(() => read(value), TypeError);
    }
  });
}

// deno-lint-ignore no-explicit-any -- options of all kinds
function sample({ kind }: Option<any, any>): string {
  const { placeholder } = kind.parameter!;
  if (kind.range) return `${kind.range.max}`;
  if (placeholder.startsWith("cidr")) return "::1";
  return placeholder.split(/[|,]/)[0]!;
}

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.stringMatching(/^(tcp|tls|udp|unix|x)?:?[a-z0-9:/@%?&=.[\]-]*$/),
  fc.tuple(
    fc.constantFrom("tcp://", "tls://[", "udp://a:", "unix:", "tcp://:1?"),
    fc.string(),
  ).map((parts) => parts.join("")),
  fc.tuple(
    fc.constantFrom(...PARAMETERS.map(([name]) => dashed(name))),
    fc.string(),
  ).map(([name, value]) => `tcp://:1?${name}=${value}`),
);

Deno.test("parseListen throws nothing but one line, whatever the text", () => {
  fc.assert(
    fc.property(anyText, (text) => {
      try {
        parseListen(text);
      } catch (error) {
        assert.ok(error instanceof TypeError);
        assert.ok(error.message.startsWith("listen "));
        assert.ok(isPlainLine(error.message), error.message);
      }
    }),
    { numRuns: 5000 },
  );
});

Deno.test("parseListen decodes every path that was encoded", () => {
  const anyPath = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 })
    .filter((path) => /^@?[^@/\0][^\0]*$/.test(path) && path.isWellFormed())
    .filter((path) => new TextEncoder().encode(path).length <= 107);
  fc.assert(fc.property(anyPath, (path) => {
    const url = `unix:${encodeURIComponent(path)}?mode=raw`;
    assert.deepEqual(parseListen(url), {
      transport: "unix",
      path,
      mode: "raw",
    });
  }));
});

Deno.test("parseListen decodes every protocol name that was encoded", () => {
  const anyName = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 })
    .filter((name) => !name.includes(",") && name.isWellFormed());
  fc.assert(fc.property(anyName, (name) => {
    const url = `tls://:1?alpn=${encodeURIComponent(name)}`;
    assert.deepEqual(parseListen(url).alpn, [name]);
  }));
});
