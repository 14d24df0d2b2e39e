import assert from "node:assert/strict";
import fc from "fast-check";
import { Queue } from "../../../lib/util/queue.ts";

Deno.test("Queue gives back what was pushed, in order, as an array does", () =>
  fc.assert(fc.property(
    fc.array(fc.oneof(fc.integer(), fc.constant("shift" as const))),
    (steps) => {
      const queue = new Queue<number>();
      const model: number[] = [];
      for (const step of steps) {
        if (step === "shift") assert.equal(queue.shift(), model.shift());
        else {
          queue.push(step);
          model.push(step);
        }
        assert.equal(queue.length, model.length);
      }
    },
  )));
