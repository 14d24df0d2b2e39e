import assert from "node:assert/strict";
import deno from "../../../deno.json" with { type: "json" };
import { parseCommandLine } from "../../../lib/cli/command.ts";
import { help, probeHelp, version } from "../../../lib/cli/help.ts";
import {
  dashed,
  OPTIONS,
  optionsIn,
  type Table,
} from "../../../lib/options/schema.ts";
import { PROBE_OPTIONS } from "../../../lib/probe/options.ts";

const PAGES: [name: string, page: string, table: Table][] = [
  ["help", help(), OPTIONS],
  ["probeHelp", probeHelp(), PROBE_OPTIONS],
];

/** The words of a row, however it is wrapped. */
function row(page: string, left: string): string {
  const lines = page.split("\n");
  const first = lines.findIndex((line) => line.startsWith(left));
  if (first < 0) return "";
  const next = lines.findIndex((line, at) =>
    at > first && !/^ {10}/.test(line)
  );
  return lines.slice(first, next).join(" ").replace(/\s+/g, " ");
}

for (const [name, page, table] of PAGES) {
  Deno.test(`${name} is at most 80 columns wide and has no loose spaces`, () => {
    for (const line of page.split("\n")) {
      assert.ok(line.length <= 80, line);
      assert.equal(line, line.trimEnd());
    }
  });

  Deno.test(`${name} shows every option with its range and default`, () => {
    for (
      const [option, { kind, short, default: byDefault, help }] of Object
        .entries(optionsIn("command", table))
    ) {
      const letter = short ? `-${short}, ` : "    ";
      const shown = row(page, `  ${letter}--${dashed(option)}`);
      assert.ok(shown.includes(help!), option);
      if (kind.range) {
        const { min, max } = kind.range;
        assert.ok(shown.includes(`(${min} to ${max}`), option);
      }
      if (kind.option) {
        assert.ok(shown.includes(`<${kind.option.placeholder}>`), option);
        if (byDefault !== undefined) {
          assert.ok(shown.includes(`default ${byDefault})`), option);
        }
      }
    }
  });

  Deno.test(`${name} wraps no row of an option`, () => {
    assert.doesNotMatch(page, /^ {24,}\S/m);
  });

  Deno.test(`${name} gives examples that work`, async () => {
    const [, examples] = page.split("\nExamples:\n");
    const commands = [
      ...examples!.matchAll(/^ {2}\S.*? {2,}echoserver(.*)$/gm),
    ];
    assert.equal(commands.length, examples!.split("\n").length);
    for (const [, args] of commands) {
      const words = args!.replace(/ >\/dev\/null$/, "").replaceAll("'", "")
        .split(" ").filter(Boolean);
      await parseCommandLine(words);
    }
  });
}

Deno.test("help shows every parameter of a listener", () => {
  const page = help();
  for (const [name, { places, help }] of Object.entries(optionsIn("url"))) {
    if (places.includes("command")) {
      const shown = row(page, `  ${dashed(name)}=<`);
      assert.ok(shown.includes(`as --${dashed(name)} (not udp)`), name);
    } else {
      assert.ok(row(page, `  ${dashed(name)}=<`).includes(help!), name);
    }
  }
});

Deno.test("help says which transports a parameter is for", () => {
  const page = help();
  assert.match(page, /^ {2}alpn=.*\(tls\)$/m);
  assert.match(page, /^ {2}proxy=.*\(tcp, tls\)$/m);
  assert.match(page, /^ {2}rate=.*\(not udp\)$/m);
  assert.match(page, /^ {2}loss=.*\(udp\)$/m);
  assert.match(page, /^ {2}latency=[^()]*$/m);
});

Deno.test("version is that of the package", () => {
  assert.ok(version().startsWith(`echoserver ${deno.version} `));
});
