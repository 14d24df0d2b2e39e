import assert from "node:assert/strict";
import { counterMemory, countersIn } from "../../../lib/tree/messages.ts";

Deno.test("countersIn sees what another thread counts, for each listener apart", () => {
  const memory = counterMemory(2);
  const [first, second, ...more] = countersIn(memory);
  assert.deepEqual(more, []);
  first!.accept();
  second!.accept();
  second!.accept();
  const seen = countersIn(memory).map((counters) => counters.snapshot().open);
  assert.deepEqual(seen, [1, 2]);
});
