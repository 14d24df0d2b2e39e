import fc from "fast-check";
import assert from "node:assert/strict";
import { DenseSet, type Placed } from "../../../lib/util/dense_set.ts";

class Member implements Placed {
  place = 0;
}

Deno.test("DenseSet holds what a Set holds, whatever is added and deleted", () => {
  const steps = fc.array(fc.oneof(
    { weight: 3, arbitrary: fc.constant("add" as const) },
    { weight: 2, arbitrary: fc.nat(20) },
  ));
  fc.assert(fc.property(steps, (steps) => {
    const set = new DenseSet<Member>();
    const model = new Set<Member>();
    const all: Member[] = [];
    for (const step of steps) {
      if (step === "add") {
        const member = new Member();
        all.push(member);
        set.add(member);
        model.add(member);
      } else if (all[step]) {
        set.delete(all[step]);
        model.delete(all[step]);
      }
      assert.equal(set.size, model.size);
      assert.deepEqual(new Set(set), model);
    }
  }));
});

Deno.test("DenseSet visits every member though it and others are deleted meanwhile", () => {
  fc.assert(fc.property(
    fc.array(fc.nat(9), { minLength: 10, maxLength: 10 }),
    (deletions) => {
      const members = deletions.map(() => new Member());
      const set = new DenseSet<Member>();
      for (const member of members) set.add(member);
      const visited = new Set<Member>();
      const deleted = new Set<Member>();
      for (const member of set) {
        visited.add(member);
        // One that was added meanwhile may be visited too.
        if (!members.includes(member)) continue;
        const other = members[deletions[members.indexOf(member)]!]!;
        for (const gone of [member, other]) {
          set.delete(gone);
          deleted.add(gone);
        }
        set.add(new Member());
      }
      for (const member of members) {
        assert.ok(visited.has(member) || deleted.has(member));
      }
    },
  ));
});
