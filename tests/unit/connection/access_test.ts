import assert from "node:assert/strict";
import fc from "fast-check";
import { Access } from "../../../lib/connection/access.ts";

const NOTHING = { allow: [], deny: [], maxPerAddress: 0 };

Deno.test("Access lets in what is allowed, and all if there is no such list", () => {
  const listed = new Access({ ...NOTHING, allow: ["192.0.2.0/24", "::1"] });
  assert.equal(listed.verdict("192.0.2.7"), undefined);
  assert.equal(listed.verdict("::1"), undefined);
  assert.equal(listed.verdict("192.0.3.7"), "access");
  assert.equal(listed.verdict("::2"), "access");
  assert.equal(new Access(NOTHING).verdict("192.0.3.7"), undefined);
});

Deno.test("Access keeps out what is denied, also where it is allowed", () => {
  const access = new Access({
    ...NOTHING,
    allow: ["192.0.2.7"],
    deny: ["192.0.2.0/24"],
  });
  assert.equal(access.verdict("192.0.2.7"), "access");
  const denied = new Access({ ...NOTHING, deny: ["192.0.2.0/24"] });
  assert.equal(denied.verdict("192.0.2.7"), "access");
  assert.equal(denied.verdict("192.0.3.7"), undefined);
});

Deno.test("Access throws for what is no block of addresses", () => {
  for (const lists of [{ allow: ["10.0.0.0/33"] }, { deny: ["localhost"] }]) {
    assert.throws(() => new Access({ ...NOTHING, ...lists }), RangeError);
  }
});

Deno.test("Access counts the connections of each address", () => {
  const access = new Access({ ...NOTHING, maxPerAddress: 2 });
  assert.equal(access.enter("192.0.2.7"), undefined);
  assert.equal(access.enter("192.0.2.7"), undefined);
  assert.equal(access.enter("192.0.2.7"), "per_address");
  assert.equal(access.verdict("192.0.2.7"), "per_address");
  assert.equal(access.enter("192.0.2.8"), undefined);
  access.leave("192.0.2.7");
  assert.equal(access.enter("192.0.2.7"), undefined);
  assert.equal(access.enter("192.0.2.7"), "per_address");
});

Deno.test("Access asks the lists alone of a datagram", () => {
  const access = new Access({ ...NOTHING, deny: ["::2"], maxPerAddress: 1 });
  access.enter("::1");
  assert.equal(access.allows("::1"), true);
  assert.equal(access.allows("::2"), false);
});

Deno.test("Access does not count where there is no limit, nor who is refused", () => {
  const unlimited = new Access({ ...NOTHING, allow: ["::1"] });
  unlimited.enter("::1");
  assert.equal(unlimited.addresses, 0);
  unlimited.leave("::1");
  const limited = new Access({ ...NOTHING, deny: ["::1"], maxPerAddress: 1 });
  assert.equal(limited.enter("::1"), "access");
  assert.equal(limited.addresses, 0);
});

Deno.test("Access remembers an address as long as it has connections", () => {
  const hostnames = fc.constantFrom("::1", "::2", "::3");
  const steps = fc.array(fc.tuple(hostnames, fc.boolean()));
  fc.assert(fc.property(steps, (steps) => {
    const access = new Access({ ...NOTHING, maxPerAddress: 3 });
    const open: string[] = [];
    for (const [hostname, enters] of steps) {
      const own = open.filter((other) => other === hostname).length;
      if (enters) {
        const reason = access.enter(hostname);
        assert.equal(reason, own < 3 ? undefined : "per_address");
        if (!reason) open.push(hostname);
      } else if (own > 0) {
        access.leave(hostname);
        open.splice(open.indexOf(hostname), 1);
      }
      assert.equal(access.addresses, new Set(open).size);
    }
  }));
});
