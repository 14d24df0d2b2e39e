import assert from "node:assert/strict";
import * as api from "../../lib/mod.ts";

const {
  blackhole,
  corrupt,
  echo,
  EchoServer,
  EchoSupervisor,
  latency,
  LineStream,
  logger,
  probe,
  Supervisor,
} = api;

/** Values of the wrong type, as a program without types gives them. */
// deno-lint-ignore no-explicit-any -- of any type
const [NULL, NOTHING, EMPTY]: any[] = [null, undefined, {}];

const WRONG: [use: () => unknown, message: string][] = [
  [() => blackhole(EMPTY, 1), "input must be of type ReadableStream, not {}"],
  [
    () => blackhole(new ReadableStream(), 1, { signal: EMPTY }),
    "signal must be of type AbortSignal, not {}",
  ],
  [
    () => blackhole(new ReadableStream(), 1, NULL),
    "options must be an object, not null",
  ],
  [() => corrupt(0.5, NULL), "options must be an object, not null"],
  [() => echo(NULL), "options must be an object, not null"],
  [
    () => EchoServer.start(NULL),
    "options must be a port or an object, not null",
  ],
  [
    () => EchoSupervisor.start(NOTHING),
    "Server must be the class EchoServer, not undefined",
  ],
  [
    () => EchoSupervisor.start(EMPTY),
    "Server must be the class EchoServer, not {}",
  ],
  [
    () => EchoSupervisor.start(EchoServer, NULL),
    "options must be a port or an object, not null",
  ],
  [() => latency(1, NULL), "options must be an object, not null"],
  [
    () => latency(1, { mode: EMPTY }),
    'mode must be "line" or "raw", not {}',
  ],
  [() => new LineStream(NULL), "options must be an object, not null"],
  [() => logger(NULL), "options must be an object, not null"],
  [() => probe("a:1", NULL), "options must be an object, not null"],
  [
    () => probe("a:1", { signal: EMPTY }),
    "signal must be an AbortSignal, not {}",
  ],
  [() => new Supervisor(NULL), "options must be an object, not null"],
  [
    () => new Supervisor().startChild(NOTHING),
    "spec must be an object, not undefined",
  ],
];

for (const [use, message] of WRONG) {
  const called = `${use}`.replace(/^\(\)\s*=>\s*/, "").replace(/\s+/g, " ");
  Deno.test(`${called} is a TypeError of one line`, async () => {
    await assert.rejects(async () => await use(), {
      name: "TypeError",
      message,
    });
  });
}
