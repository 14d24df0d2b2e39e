import assert from "node:assert/strict";
import { isIP } from "node:net";
import fc from "fast-check";
import {
  checkValue,
  cidrs,
  endpoint,
  fingerprint,
  isCidr,
  listeners,
  pem,
  protocols,
  readText,
  type TextForm,
  toggle,
  word,
} from "../../../lib/options/kinds.ts";
import {
  bytes,
  decimal,
  seconds,
  whole,
} from "../../../lib/options/numbers.ts";

/** What a form makes of texts; `undefined` is a refusal. */
function assertReads<T>(
  form: TextForm<T> | undefined,
  cases: readonly (readonly [text: string, value: T | undefined])[],
): void {
  for (const [text, value] of cases) {
    if (value === undefined) {
      assert.throws(
        () => readText("it", form!, text),
        { message: `it takes ${form!.takes}, not ${JSON.stringify(text)}` },
      );
    } else assert.deepEqual(readText("it", form!, text), value, text);
  }
}

Deno.test("whole takes decimal digits and nothing else", () => {
  assertReads(whole("n", 0, 100).option, [
    ["0", 0],
    ["007", 7],
    ["100", 100],
    ["101", undefined],
    ["", undefined],
    ["1.0", undefined],
    ["1e1", undefined],
    ["0x1", undefined],
    ["+1", undefined],
    ["-1", undefined],
    [" 1", undefined],
    ["1\n", undefined],
    ["1k", undefined],
    ["٣", undefined],
    ["9".repeat(400), undefined],
  ]);
});

Deno.test("decimal takes fractions without an exponent", () => {
  assertReads(decimal("0..1", 0, 1).parameter, [
    ["0", 0],
    ["1", 1],
    ["0.25", 0.25],
    [".5", 0.5],
    ["1.0", 1],
    ["0.0000001", 1e-7],
    ["1.", undefined],
    [".", undefined],
    ["1.01", undefined],
    ["1e-3", undefined],
    ["0,5", undefined],
    ["1/2", undefined],
    ["NaN", undefined],
    ["50%", undefined],
  ]);
});

Deno.test("seconds are whole on the command line and have units in a URL", () => {
  const { option, parameter } = seconds(0, 120);
  assertReads(option, [
    ["0", 0],
    ["120", 120],
    ["121", undefined],
    ["0.5", undefined],
    ["2s", undefined],
  ]);
  assertReads(parameter, [
    ["250ms", 0.25],
    ["3ms", 0.003],
    ["1.5s", 1.5],
    ["2", 2],
    ["0.1", 0.1],
    ["2m", 120],
    ["120000ms", 120],
    ["120001ms", undefined],
    ["2.1m", undefined],
    ["1h", undefined],
    ["2 s", undefined],
    ["2S", undefined],
    ["ms", undefined],
    ["-1s", undefined],
    ["1s2", undefined],
    ["1toString", undefined],
  ]);
});

Deno.test("bytes are whole on the command line and have units in a URL", () => {
  const { option, parameter } = bytes({ min: 1, max: 2_097_152 });
  assertReads(option, [["512", 512], ["64k", undefined], ["0", undefined]]);
  assertReads(parameter, [
    ["512", 512],
    ["64k", 64_000],
    ["1M", 1_000_000],
    ["64Ki", 65_536],
    ["2Mi", 2_097_152],
    ["3Mi", undefined],
    ["0", undefined],
    ["1.5k", undefined],
    ["1K", undefined],
    ["1kB", undefined],
    ["1m", undefined],
    ["1G", undefined],
    ["k", undefined],
  ]);
});

Deno.test("word takes its words as they are", () => {
  const { option, value } = word(["line", "raw"]);
  assertReads(option, [
    ["raw", "raw"],
    ["Raw", undefined],
    ["raw ", undefined],
  ]);
  assert.equal(value.read("line"), "line");
  assert.equal(value.read(["line"]), undefined);
});

Deno.test("toggle takes on and off in a URL, true and false in the API", () => {
  const kind = toggle();
  assertReads(kind.parameter, [
    ["on", true],
    ["off", false],
    ["true", undefined],
    ["1", undefined],
  ]);
  assert.equal(checkValue("it", kind, false), false);
  assert.throws(
    () => checkValue("it", kind, "on"),
    new TypeError('it must be true or false, not "on"'),
  );
});

Deno.test("cidrs takes addresses and networks joined by commas", () => {
  const kind = cidrs(1);
  assertReads(kind.option, [
    ["10.0.0.0/8", ["10.0.0.0/8"]],
    ["::1,192.0.2.1,2001:db8::/32", ["::1", "192.0.2.1", "2001:db8::/32"]],
    ["10.0.0.1,", undefined],
    [",", undefined],
    ["10.0.0.1, ::1", undefined],
    ["all", undefined],
  ]);
  assert.deepEqual(checkValue("it", kind, ["::1"]), ["::1"]);
  const wrong = [[], "::1", ["::1", 7], ["::1/129"], [""], [null], Array(1)];
  for (const given of wrong) {
    assert.throws(() => checkValue("it", kind, given), TypeError);
  }
});

Deno.test("cidrs gives the server an array of its own", () => {
  const given = ["::1"];
  assert.notEqual(checkValue("it", cidrs(1), given), given);
});

for (
  const [text, taken] of [
    ["0.0.0.0/0", true],
    ["255.255.255.255/32", true],
    ["10.0.0.1/8", true],
    ["::/0", true],
    ["fe80::1/128", true],
    ["::ffff:10.0.0.1", true],
    ["10.0.0.0/33", false],
    ["::/129", false],
    ["10.0.0.0/08", false],
    ["10.0.0.0/", false],
    ["10.0.0.0/8/8", false],
    ["10.0.0.0/-1", false],
    ["10.0.0", false],
    ["10.0.0.0.0", false],
    ["010.0.0.1", false],
    ["256.0.0.1", false],
    ["[::1]", false],
    ["::1%lo", false],
    ["1::2::3", false],
    ["localhost", false],
    ["/8", false],
    ["", false],
  ] as const
) {
  Deno.test(`isCidr ${taken ? "takes" : "refuses"} "${text}"`, () => {
    assert.equal(isCidr(text), taken);
  });
}

Deno.test("isCidr agrees with node:net on addresses", () => {
  const address = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.stringMatching(/^[0-9a-f:.]{0,20}$/),
  );
  fc.assert(
    fc.property(address, (text) => {
      assert.equal(isCidr(text), isIP(text) !== 0);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("protocols takes names as long as TLS does", () => {
  assertReads(protocols().parameter, [
    ["h2,http/1.1", ["h2", "http/1.1"]],
    ["é".repeat(127), ["é".repeat(127)]],
    ["é".repeat(128), undefined],
    ["h2,", undefined],
  ]);
});

Deno.test("endpoint takes a port with or without its host", () => {
  const kind = endpoint("127.0.0.1", { min: 0, max: 65_535 });
  const resolved = (given: unknown) => {
    const { host, port } = checkValue("it", kind, given);
    return `${host} ${port}`;
  };
  assert.equal(resolved(9090), "127.0.0.1 9090");
  assert.equal(resolved("0"), "127.0.0.1 0");
  assert.equal(resolved("0.0.0.0:65535"), "0.0.0.0 65535");
  assert.equal(resolved("[::1]:80"), "::1 80");
  assert.equal(resolved("[fe80::1%lo]:80"), "fe80::1%lo 80");
  assert.equal(resolved("localhost:80"), "localhost 80");
  const wrong = [
    -1,
    65_536,
    1.5,
    NaN,
    "",
    ":80",
    "::1:80",
    "a:",
    "a b:1",
    "a/b:1",
    "[localhost]:1",
    "[1::2::3]:1",
    null,
  ];
  for (const given of wrong) {
    assert.throws(() => checkValue("it", kind, given), TypeError);
  }
  assert.equal(kind.option!.read("a:80"), "a:80");
  assert.equal(kind.option!.read("--a:80"), undefined);
});

Deno.test("listeners takes one or more, and no gap between them", () => {
  const kind = listeners();
  const url = "tcp://:1050";
  for (const given of [url, [url], {}, [url, {}]]) {
    assert.deepEqual(checkValue("it", kind, given), [given].flat());
  }
  for (const given of [[], 7, null, [null], [[url]], Array(1)]) {
    assert.throws(() => checkValue("it", kind, given), TypeError);
  }
});

Deno.test("fingerprint takes both ways to write it, and gives one", () => {
  const bare = "0123456789abcdef".repeat(4);
  const colons = bare.toUpperCase().match(/../g)!.join(":");
  assertReads(fingerprint().option, [
    [bare, bare],
    [colons, bare],
    [bare.slice(2), undefined],
    [`${bare}00`, undefined],
    [`${bare}:`, undefined],
    ["g".repeat(64), undefined],
  ]);
});

Deno.test("pem is never shown", () => {
  const secret = "MC4CAQAwBQYDK2VwBCIEIA==";
  assert.throws(
    () => checkValue("tlsKey", pem(), secret),
    new TypeError("tlsKey must be PEM text, which has -----BEGIN in it"),
  );
});

Deno.test("readText says so if there is no value", () => {
  assert.throws(
    () => readText("--port", whole("n", 1, 2).option!, undefined),
    new Error("--port takes a whole number from 1 to 2, but none was given"),
  );
});

Deno.test("checkValue shows what it refuses on one line", () => {
  const value = { a: "\n\x1b[31m".repeat(100), b: [[[]]], c: new Map() };
  assert.throws(
    () => checkValue("port", whole("n", 1, 2), value),
    // deno-lint-ignore no-control-regex -- they are what is looked for
    /^RangeError: port must be a whole number from 1 to 2, not [^\0-\x1f]{1,500}$/,
  );
});
