import assert from "node:assert/strict";
import { limit } from "../../../lib/faults/limit.ts";
import { joined } from "../../support/chunks.ts";
import { bytes, text } from "../../support/client.ts";
import { through } from "./stage.ts";

Deno.test("limit ends after so many bytes, and drops what comes later", async () => {
  const stage = limit(5);
  const writer = stage.writable.getWriter();
  const out = Array.fromAsync(stage.readable);
  await writer.write(bytes("abc"));
  await writer.write(bytes("defg"));
  assert.equal(text(joined(await out)), "abcde");
  for (let i = 0; i < 100; i++) await writer.write(bytes("dropped\n"));
  await writer.close();
});

Deno.test("limit ends with the byte that reaches it, not with the next", async () => {
  const stage = limit(4);
  const writer = stage.writable.getWriter();
  const out = Array.fromAsync(stage.readable);
  await writer.write(bytes("abc\n"));
  assert.equal(text(joined(await out)), "abc\n");
  await writer.abort();
});

Deno.test("limit of a plain pipe takes all input, and fails nobody", async () => {
  let taken = 0;
  const source = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (++taken > 1000) controller.close();
      else controller.enqueue(bytes("line\n"));
    },
  });
  const stage = limit(12);
  const piped = source.pipeTo(stage.writable);
  const sent: string[] = [];
  await stage.readable.pipeTo(
    new WritableStream({ write: (chunk) => void sent.push(text(chunk)) }),
  );
  assert.equal(sent.join(""), "line\nline\nli");
  await piped;
  assert.equal(taken, 1001);
});

Deno.test("limit lets a shorter stream through, and ends with it", async () => {
  const out = await through([bytes("ab"), bytes("c")], limit(100));
  assert.deepEqual(out.map(text), ["ab", "c"]);
});

Deno.test("limit of 0 ends at once", async () => {
  const stage = limit(0);
  const writer = stage.writable.getWriter();
  assert.deepEqual(await Array.fromAsync(stage.readable), []);
  await writer.write(bytes("dropped"));
  await writer.close();
});

Deno.test("limit takes no more than one chunk that nobody reads", async () => {
  const stage = limit(100);
  const writer = stage.writable.getWriter();
  const written = writer.write(bytes("one\n"));
  assert.equal(writer.desiredSize, 0);
  const reader = stage.readable.getReader();
  await reader.read();
  await written;
  await reader.cancel();
});

for (const wrong of [-1, 1.5, NaN, "1"]) {
  Deno.test(`limit refuses ${Deno.inspect(wrong)}`, () => {
    assert.throws(
      () => limit(wrong as number),
      /^RangeError: limit must be a whole number from 0, not /,
    );
  });
}
