import assert from "node:assert/strict";
import { accept, type AcceptOptions } from "../../../lib/net/accept_loop.ts";
import { reset } from "../../support/client.ts";
import { NET } from "../../support/program.ts";

/**
 * A listener whose clients, and errors, are known beforehand; after the last it
 * waits until it is closed.
 */
class ScriptedListener {
  /** How often it was asked for a connection. */
  accepts = 0;
  readonly #script: (string | Error)[];
  readonly #closed = Promise.withResolvers<never>();

  constructor(...script: (string | Error)[]) {
    this.#script = script;
  }

  // deno-lint-ignore require-await -- as of a listener
  async accept(): Promise<string> {
    this.accepts++;
    const next = this.#script.shift();
    if (next instanceof Error) throw next;
    return next ?? this.#closed.promise;
  }

  close(): void {
    this.#closed.reject(new Deno.errors.BadResource("Listener is closed"));
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(`${code} (os error)`), { code });
}

/** What the acceptor tells, and what ends it. */
class Heard {
  passedOver = 0;
  readonly shortages: string[] = [];
  readonly closing = new AbortController();

  get options(): AcceptOptions {
    return {
      vacancy: () => undefined,
      signal: this.closing.signal,
      onAborted: () => void this.passedOver++,
      onShortage: (code) => void this.shortages.push(code),
    };
  }
}

/** Takes the place of the clock, and of timers that nobody has to wait for. */
class FakeTime implements Disposable {
  /** Milliseconds on the clock. */
  now = 0;
  /** Milliseconds that were slept, one by one. */
  readonly slept: number[] = [];
  /** Whether timers fire, at once. */
  timersFire = true;

  readonly #setTimeout = globalThis.setTimeout;
  readonly #now = performance.now;

  constructor() {
    performance.now = () => this.now;
    globalThis.setTimeout = ((callback: () => void, milliseconds: number) => {
      this.slept.push(milliseconds);
      this.now += milliseconds;
      if (this.timersFire) queueMicrotask(callback);
    }) as typeof setTimeout;
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#setTimeout;
    performance.now = this.#now;
  }
}

Deno.test("accept gives the connections in order", async () => {
  const told = new Heard();
  const incoming = accept(new ScriptedListener("one", "two"), told.options);
  assert.deepEqual(await incoming.next(), { value: "one", done: false });
  assert.deepEqual(await incoming.next(), { value: "two", done: false });
});

Deno.test("accept takes a connection only when it is asked for the next", async () => {
  const listener = new ScriptedListener("one", "two");
  const incoming = accept(listener, new Heard().options);
  assert.equal(listener.accepts, 0);
  await incoming.next();
  assert.equal(listener.accepts, 1);
  await incoming.next();
  assert.equal(listener.accepts, 2);
});

for (
  const code of [
    "ECONNABORTED",
    "ECONNRESET",
    "ENOTCONN",
    "EPERM",
    "EPROTO",
    "ETIMEDOUT",
    "ENETDOWN",
    "ENETUNREACH",
    "EHOSTDOWN",
    "EHOSTUNREACH",
  ]
) {
  Deno.test(`accept passes over a client that has gone (${code})`, async () => {
    const told = new Heard();
    const incoming = accept(
      new ScriptedListener(failure(code), failure(code), "next"),
      told.options,
    );
    assert.equal((await incoming.next()).value, "next");
    assert.equal(told.passedOver, 2);
    assert.deepEqual(told.shortages, []);
  });
}

for (const code of ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]) {
  Deno.test(`accept waits in a shortage and tells it once (${code})`, async () => {
    using time = new FakeTime();
    const told = new Heard();
    const out = failure(code);
    const incoming = accept(
      new ScriptedListener(out, out, out, "next"),
      told.options,
    );
    assert.equal((await incoming.next()).value, "next");
    assert.deepEqual(told.shortages, [code]);
    assert.deepEqual(time.slept, [100, 100, 100]);
    assert.equal(told.passedOver, 0);
  });
}

Deno.test("accept tells a shortage again when it comes back after a while", async () => {
  using time = new FakeTime();
  const told = new Heard();
  const out = failure("EMFILE");
  const incoming = accept(
    new ScriptedListener(out, "one", out, "two", out, "three"),
    told.options,
  );
  await incoming.next();
  time.now += 500;
  await incoming.next();
  assert.equal(told.shortages.length, 1);
  time.now += 5000;
  await incoming.next();
  assert.equal(told.shortages.length, 2);
});

Deno.test("accept ends when its signal aborts while it waits for a client", async () => {
  const told = new Heard();
  const listener = new ScriptedListener();
  const next = accept(listener, told.options).next();
  told.closing.abort();
  listener.close();
  assert.deepEqual(await next, { value: undefined, done: true });
});

Deno.test("accept ends when its signal aborts in the pause of a shortage", async () => {
  using time = new FakeTime();
  time.timersFire = false;
  const told = new Heard();
  const listener = new ScriptedListener(failure("EMFILE"), "never");
  const onShortage = () => queueMicrotask(() => told.closing.abort());
  const next = accept(listener, { ...told.options, onShortage }).next();
  assert.deepEqual(await next, { value: undefined, done: true });
  assert.equal(listener.accepts, 1);
});

Deno.test("accept takes no connection after its signal has aborted", async () => {
  const told = new Heard();
  told.closing.abort();
  const listener = new ScriptedListener("one");
  assert.equal((await accept(listener, told.options).next()).done, true);
  assert.equal(listener.accepts, 0);
});

for (
  const error of [
    failure("EINVAL"),
    new Deno.errors.BadResource("closed by a stranger"),
    new TypeError("our own mistake"),
  ]
) {
  Deno.test(`accept throws what is neither a client's doing nor a shortage (${error.message})`, async () => {
    const told = new Heard();
    const incoming = accept(new ScriptedListener(error, "next"), told.options);
    await assert.rejects(incoming.next(), error);
    assert.equal(told.passedOver, 0);
    assert.deepEqual(told.shortages, []);
  });
}

Deno.test({
  name: "accept passes over clients that reset before they are accepted",
  ignore: !NET,
  fn: async () => {
    const told = new Heard();
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr;
    for (let i = 0; i < 3; i++) await reset(port);
    using client = await Deno.connect({ hostname: "127.0.0.1", port });
    using accepted = (await accept(listener, told.options).next()).value!;
    assert.deepEqual(accepted.remoteAddr, client.localAddr);
    // Windows and macOS may drop them on their own.
    assert.ok(told.passedOver === 3 || Deno.build.os !== "linux");
  },
});
