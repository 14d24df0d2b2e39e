import assert from "node:assert/strict";
import { GreetingReader } from "../../../lib/probe/greeting.ts";
import { bytes } from "../../support/client.ts";

Deno.test("GreetingReader gives the name, however the greeting is cut", () => {
  const greeting = bytes('{"name":"Zürich","connection":1}\n');
  const reader = new GreetingReader();
  const last = greeting.length - 1;
  for (let i = 0; i < last; i++) {
    assert.equal(reader.push(greeting.subarray(i, i + 1)), undefined);
  }
  assert.equal(reader.push(greeting.subarray(last)), "Zürich");
});

Deno.test("GreetingReader refuses what is no greeting", () => {
  const refused = {
    "Welcome\n": /it is not JSON/,
    "null\n": /it is not JSON|it has no "name"/,
    '{"name":7}\n': /it has no "name"/,
    '{"name":"a"}\nmore': /more than a greeting/,
  };
  for (const [text, reason] of Object.entries(refused)) {
    assert.throws(() => new GreetingReader().push(bytes(text)), reason);
  }
  const endless = bytes("x".repeat(20_000));
  assert.throws(() => new GreetingReader().push(endless), /endless/);
});
