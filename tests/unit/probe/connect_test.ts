import assert from "node:assert/strict";
import { connect, withAddress } from "../../../lib/probe/connect.ts";
import { parseTarget } from "../../../lib/probe/options.ts";
import { netTest } from "../../support/program.ts";

for (const scheme of ["tcp", "tls"]) {
  netTest(
    `connect over ${scheme} gives up if its signal has aborted`,
    async () => {
      using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const address = `${scheme}://127.0.0.1:${listener.addr.port}`;
      const signal = AbortSignal.abort();
      await assert.rejects(connect(parseTarget(address), {}, signal), {
        name: "AbortError",
      });
    },
  );
}

for (
  const [host, ip] of [
    ["127.0.0.1", "127.0.0.1"],
    ["127.1", "127.0.0.1"],
    ["[0:0::1]", "::1"],
    ["[::ffff:7f00:1]", "::ffff:127.0.0.1"],
  ] as const
) {
  netTest(
    `withAddress gives ${host} for UDP as the runtime writes it`,
    async () => {
      const target = parseTarget(`udp://${host}:7`);
      assert.deepEqual(await withAddress(target), { ...target, host: ip });
    },
  );
}

Deno.test("withAddress leaves the name of a stream as it is", async () => {
  const target = parseTarget("tls://localhost:7");
  assert.equal(await withAddress(target), target);
});
