import assert from "node:assert/strict";
import { cannotConnect, causeOf } from "../../../lib/probe/errors.ts";
import { parseTarget } from "../../../lib/probe/options.ts";

for (
  const [error, cause] of [
    [new Error("Connection refused (os error 111)"), "Connection refused"],
    [new URIError("bad"), "the host is not a valid name"],
    [
      new Error("failed to lookup address information: Temporary failure"),
      "the name does not resolve",
    ],
    [
      Object.assign(new Error("getaddrinfo ENOTFOUND a"), {
        code: "ENOTFOUND",
      }),
      "the name does not resolve",
    ],
    [
      Object.assign(new Error("Too many open files"), { code: "EMFILE" }),
      'out of file descriptors, raise "ulimit -n"',
    ],
    [
      new Deno.errors.NotCapable("Requires net access to a:1"),
      "requires net access to a:1",
    ],
    [
      // What Node throws of a name with several addresses.
      Object.assign(
        new AggregateError([
          new Error("connect ECONNREFUSED 127.0.0.1:1"),
          new Error("connect ECONNREFUSED ::1:1"),
        ]),
        { code: "ECONNREFUSED" },
      ),
      "connect ECONNREFUSED 127.0.0.1:1",
    ],
  ] as const
) {
  Deno.test(`causeOf says in short: ${cause}`, () => {
    assert.equal(causeOf(error), cause);
  });
}

Deno.test("cannotConnect names the target as people write it", () => {
  const error = new Error("no");
  for (
    const [address, shown] of [
      ["a:1", "tcp://a:1"],
      ["tls://[::1]:1", "tls://[::1]:1"],
      ["unix:@a", "unix:@a"],
    ] as const
  ) {
    const { message, cause } = cannotConnect(parseTarget(address), error);
    assert.equal(message, `Cannot connect to ${shown}: no`);
    assert.equal(cause, error);
  }
});
