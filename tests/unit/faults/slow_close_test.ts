import assert from "node:assert/strict";
import { holdingStream } from "../../../lib/faults/holding_stream.ts";
import { lateEnd, slowClose } from "../../../lib/faults/slow_close.ts";
import { bytes } from "../../support/client.ts";
import { FakeClock } from "./fake_clock.ts";
import { readStage, timesAndTexts } from "./stage.ts";

Deno.test("slowClose lets bytes through at once, and ends later", async () => {
  const clock = new FakeClock();
  const { writer, out, done } = readStage(
    holdingStream(lateEnd(2), clock),
    clock,
  );
  let ended: number | undefined;
  done.then(() => ended = clock.now());
  await writer.write(bytes("one\n"));
  await clock.advance(500);
  await writer.write(bytes("two"));
  await writer.close();
  await clock.advance(1999);
  assert.equal(ended, undefined);
  await clock.advance(1);
  await done;
  assert.deepEqual(timesAndTexts(out), [[0, "one\n"], [500, "two"]]);
  assert.equal(ended, 2500);
});

for (const wrong of [-1, 86_401, NaN, "1"]) {
  Deno.test(`slowClose refuses ${Deno.inspect(wrong)}`, () => {
    assert.throws(
      () => slowClose(wrong as number),
      /^RangeError: slowClose must be a number from 0 to 86400, not /,
    );
  });
}
