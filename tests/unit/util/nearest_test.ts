import assert from "node:assert/strict";
import fc from "fast-check";
import { nearest } from "../../../lib/util/nearest.ts";

const NAMES = ["port", "host", "name", "rate", "max-connections", "mode"];

for (
  const [written, meant] of [
    ["port", "port"],
    ["prot", "port"],
    ["pot", "port"],
    ["ports", "port"],
    ["PORT", "port"],
    ["mod", "mode"],
    ["max-conections", "max-connections"],
    ["max_connection", "max-connections"],
    ["max-conection", "max-connections"],
    ["max-conetion", undefined],
    // One slip for so short a name, or it would be "rate".
    ["date", "rate"],
    ["dare", undefined],
    ["x", undefined],
    ["", undefined],
  ] as const
) {
  Deno.test(`nearest takes "${written}" for ${meant ?? "nothing"}`, () => {
    assert.equal(nearest(written, NAMES), meant);
  });
}

Deno.test("nearest prefers fewer slips, and the first of equals", () => {
  assert.equal(nearest("state", ["slate", "state", "stake"]), "state");
  assert.equal(nearest("stage", ["slate", "state", "stake"]), "state");
});

Deno.test("nearest finds a name with any one letter missing", () => {
  const anyName = fc.stringMatching(/^[a-z-]{4,20}$/);
  fc.assert(fc.property(anyName, fc.nat(), (name, at) => {
    const index = at % name.length;
    const written = name.slice(0, index) + name.slice(index + 1);
    assert.equal(nearest(written, [name]), name);
  }));
});
