import assert from "node:assert/strict";
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import fc from "fast-check";
import { splitArguments } from "../../../lib/cli/arguments.ts";

const SYNTAX = new Map([
  ["port", { takesValue: true, short: "p" }],
  ["host", { takesValue: true }],
  ["quiet", { takesValue: false, short: "q" }],
  ["verbose", { takesValue: false, short: "v" }],
]);

const ANY_WORD = fc.oneof(
  fc.constantFrom("--port", "--host=::", "--quiet", "--no-quiet", "--port="),
  fc.constantFrom("-p", "-p7", "-qv", "-vp", "-qp7", "-x", "-qxp=1", "-p-q"),
  fc.constantFrom(
    "--",
    "-",
    "",
    "7",
    "-1",
    "--=",
    "---",
    "--a=b=c",
    "-\u{1f600}",
  ),
  fc.string({ unit: fc.constantFrom("-", "=", "p", "q", "x") }),
).filter((word) => !isOdd(word));

Deno.test("splitArguments splits a command line as parseArgs does", () => {
  fc.assert(fc.property(fc.array(ANY_WORD, { maxLength: 8 }), (args) => {
    assert.deepEqual([...splitArguments(args, SYNTAX)], byNode(args));
  }));
});

/** Whether Node reads a dash or an empty name into it that nobody means. */
function isOdd(word: string): boolean {
  return /^--=|^-[^-p][^p]*-/.test(word);
}

/** The same by `parseArgs`, in the same words. */
function byNode(args: string[]) {
  const options: ParseArgsOptionsConfig = {};
  for (const [name, { takesValue, short }] of SYNTAX) {
    const type = takesValue ? "string" : "boolean";
    options[name] = { type, ...short !== undefined && { short } };
  }
  const { tokens } = parseArgs({ args, options, strict: false, tokens: true });
  return tokens.flatMap((token) => {
    if (token.kind === "option-terminator") return [];
    if (token.kind === "positional") {
      return { kind: "operand", value: token.value };
    }
    const { kind, name, rawName, value } = token;
    return { kind, name, rawName, value };
  });
}
