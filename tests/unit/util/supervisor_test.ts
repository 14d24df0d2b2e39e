import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import {
  type ChildSpec,
  type Restart,
  Supervisor,
  type SupervisorOptions,
} from "../../../lib/mod.ts";
import { PROGRAM } from "../../support/program.ts";

const RESTARTS: Restart[] = ["permanent", "transient", "temporary"];

/** A child whose end is the test's to choose. */
class Child {
  /** How often it was started. */
  starts = 0;
  /** Starts to come that fail at once, by a throw. */
  stillborn = 0;
  /** The signal of the last start. */
  signal!: AbortSignal;
  #end!: PromiseWithResolvers<void>;

  constructor(readonly id: string, readonly restart: Restart) {}

  readonly run = (signal: AbortSignal): Promise<void> => {
    this.starts++;
    this.signal = signal;
    if (this.stillborn > 0) {
      this.stillborn--;
      throw new Error(`${this.id} is stillborn`);
    }
    this.#end = Promise.withResolvers();
    signal.addEventListener("abort", () => this.#end.resolve());
    return this.#end.promise;
  };

  /** Ends well. */
  async end(): Promise<void> {
    this.#end.resolve();
    await turn();
  }

  /** Ends badly. */
  async fail(reason = `${this.id} failed`): Promise<Error> {
    const error = new Error(reason);
    this.#end.reject(error);
    await turn();
    return error;
  }
}

function start(supervisor: Supervisor, id: string, restart: Restart): Child {
  const child = new Child(id, restart);
  supervisor.startChild(child);
  return child;
}

for (const restart of RESTARTS) {
  Deno.test(`Supervisor runs a ${restart} child before startChild returns`, async () => {
    await using supervisor = new Supervisor();
    const child = start(supervisor, "child", restart);
    assert.equal(child.starts, 1);
    assert.equal(child.signal.aborted, false);
    assert.equal(supervisor.countChildren(), 1);
  });
}

for (
  const [restart, afterEnd, afterFailure] of [
    ["permanent", true, true],
    ["transient", false, true],
    ["temporary", false, false],
  ] as const
) {
  const verb = (again: boolean) => again ? "restarts" : "does not restart";

  Deno.test(`Supervisor ${verb(afterEnd)} a ${restart} child that ends`, async () => {
    await using supervisor = new Supervisor();
    const child = start(supervisor, "child", restart);
    await child.end();
    assert.equal(child.starts, afterEnd ? 2 : 1);
    assert.equal(supervisor.countChildren(), afterEnd ? 1 : 0);
  });

  Deno.test(`Supervisor ${verb(afterFailure)} a ${restart} child that fails`, async () => {
    await using supervisor = new Supervisor();
    const child = start(supervisor, "child", restart);
    await child.fail();
    assert.equal(child.starts, afterFailure ? 2 : 1);
    assert.equal(supervisor.countChildren(), afterFailure ? 1 : 0);
  });
}

Deno.test("Supervisor takes a throw, a rejection and a return for the same kind of end", async () => {
  const told: string[] = [];
  await using supervisor = new Supervisor({
    onRestart: (id, error) => told.push(`${id}: ${(error as Error).message}`),
  });
  const child = new Child("child", "permanent");
  child.stillborn = 1;
  supervisor.startChild(child);
  await turn();
  await child.fail();
  await child.end();
  assert.equal(child.starts, 4);
  assert.equal(told.length, 3);
  assert.deepEqual(told.slice(0, 2), [
    "child: child is stillborn",
    "child: child failed",
  ]);
});

Deno.test("Supervisor leaves the others alone when a child fails", async () => {
  await using supervisor = new Supervisor();
  const children = RESTARTS.map((kind) => start(supervisor, kind, kind));
  const failing = start(supervisor, "failing", "permanent");
  await failing.fail();
  assert.deepEqual(children.map(({ starts }) => starts), [1, 1, 1]);
  assert.ok(children.every(({ signal }) => !signal.aborted));
});

Deno.test("Supervisor gives up at the fourth restart within five seconds", async () => {
  let time = 100;
  const supervisor = new Supervisor({ now: () => time });
  const other = start(supervisor, "other", "permanent");
  const temporary = start(supervisor, "temporary", "temporary");
  const child = start(supervisor, "child", "permanent");
  for (let i = 0; i < 3; i++) {
    await child.fail();
    time++;
  }
  assert.equal(child.starts, 4);
  const cause = await child.fail("the last straw");
  await assert.rejects(supervisor.finished, (error: Error) => {
    assert.match(error.message, /"child".*the last straw/);
    assert.equal(error.cause, cause);
    return true;
  });
  assert.equal(child.starts, 4);
  assert.ok(other.signal.aborted && temporary.signal.aborted);
  assert.equal(supervisor.countChildren(), 0);
});

Deno.test("Supervisor counts a restart of just five seconds ago, and none before", async () => {
  let time = 0;
  await using supervisor = new Supervisor({ now: () => time });
  const child = start(supervisor, "child", "permanent");
  for (time of [0, 1, 2]) await child.fail();
  time = 5.001;
  await child.fail();
  assert.equal(child.starts, 5);
  time = 6;
  await child.fail();
  await assert.rejects(supervisor.finished);
});

Deno.test("Supervisor counts the restarts of all its children", async () => {
  const supervisor = new Supervisor({ maxRestarts: 1, now: () => 0 });
  const one = start(supervisor, "one", "permanent");
  const two = start(supervisor, "two", "transient");
  await one.fail();
  await two.fail();
  await assert.rejects(supervisor.finished, /"two"/);
});

Deno.test("Supervisor never counts temporary children", async () => {
  await using supervisor = new Supervisor({ maxRestarts: 0 });
  for (let i = 0; i < 100; i++) {
    await start(supervisor, "child", "temporary").fail();
  }
  const last = start(supervisor, "last", "temporary");
  assert.equal(last.signal.aborted, false);
});

Deno.test("Supervisor awaits its children before it has given up", async () => {
  const supervisor = new Supervisor({ maxRestarts: 0 });
  const stopped = Promise.withResolvers<void>();
  supervisor.startChild({
    id: "slow",
    restart: "permanent",
    run: () => stopped.promise,
  });
  const child = start(supervisor, "child", "permanent");
  let finished = false;
  supervisor.finished.catch(() => finished = true);
  await child.fail();
  assert.equal(finished, false);
  stopped.resolve();
  await assert.rejects(supervisor.finished);
});

Deno.test("Supervisor starts children in order and stops them in reverse, each awaited", async () => {
  const said: string[] = [];
  const supervisor = new Supervisor();
  const run = (id: string) => async (signal: AbortSignal) => {
    said.push(`${id} starts`);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    said.push(`${id} stops`);
    await turn();
    said.push(`${id} has stopped`);
  };
  supervisor.startChild({ id: "1", restart: "permanent", run: run("1") });
  supervisor.startChild({ id: "2", restart: "transient", run: run("2") });
  supervisor.startChild({ id: "3", restart: "permanent", run: run("3") });
  await supervisor.shutdown();
  assert.deepEqual(said, [
    "1 starts",
    "2 starts",
    "3 starts",
    "3 stops",
    "3 has stopped",
    "2 stops",
    "2 has stopped",
    "1 stops",
    "1 has stopped",
  ]);
});

Deno.test("Supervisor stops a child that was started again in its old turn", async () => {
  const stopped: string[] = [];
  const supervisor = new Supervisor();
  const children = ["1", "2", "3"].map((id) =>
    start(supervisor, id, "permanent")
  );
  await children[0]!.fail();
  for (const { id, signal } of children) {
    signal.addEventListener("abort", () => stopped.push(id));
  }
  await supervisor.shutdown();
  assert.deepEqual(stopped, ["3", "2", "1"]);
});

Deno.test("Supervisor stops temporary children first and all together", async () => {
  const supervisor = new Supervisor();
  let stopping = 0;
  const all = Promise.withResolvers<void>();
  const run = async (signal: AbortSignal) => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    if (++stopping === 10) all.resolve();
    await all.promise;
  };
  const permanent = start(supervisor, "permanent", "permanent");
  for (let i = 0; i < 10; i++) {
    supervisor.startChild({ id: `${i}`, restart: "temporary", run });
  }
  permanent.signal.addEventListener("abort", () => {
    assert.equal(supervisor.countChildren(), 1);
  });
  await supervisor.shutdown();
  assert.equal(stopping, 10);
  assert.equal(permanent.signal.aborted, true);
});

Deno.test("Supervisor restarts nothing during a shutdown", async () => {
  const supervisor = new Supervisor();
  let starts = 0;
  supervisor.startChild({
    id: "child",
    restart: "permanent",
    run: async (signal) => {
      starts++;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      throw new Error("on the way out");
    },
  });
  await supervisor.shutdown();
  await supervisor.finished;
  assert.equal(starts, 1);
});

for (const restart of RESTARTS) {
  Deno.test(`Supervisor leaves a ${restart} child that does not end when the time is up`, async () => {
    const supervisor = new Supervisor({ shutdownTimeout: 0.001 });
    const never = () => new Promise<void>(() => {});
    supervisor.startChild({ id: "stuck", restart, run: never });
    await supervisor.shutdown();
    await supervisor.finished;
  });
}

Deno.test("Supervisor waits as long as it takes if the time-out is Infinity", async () => {
  const supervisor = new Supervisor({ shutdownTimeout: Infinity });
  let ended = false;
  supervisor.startChild({
    id: "slow",
    restart: "permanent",
    run: async (signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      await new Promise((resolve) => setTimeout(resolve, 5));
      ended = true;
    },
  });
  await supervisor.shutdown();
  assert.equal(ended, true);
});

Deno.test("Supervisor can be shut down twice, also while it does", async () => {
  const supervisor = new Supervisor();
  start(supervisor, "child", "permanent");
  await Promise.all([supervisor.shutdown(), supervisor.shutdown()]);
  await supervisor.shutdown();
  await supervisor.finished;
  assert.equal(supervisor.countChildren(), 0);
});

Deno.test("Supervisor can be shut down after it has given up", async () => {
  const supervisor = new Supervisor({ maxRestarts: 0 });
  await start(supervisor, "child", "permanent").fail();
  await supervisor.shutdown();
  await assert.rejects(supervisor.finished);
});

for (const restart of RESTARTS) {
  Deno.test(`Supervisor waits for a ${restart} child that shuts it down as it starts`, async () => {
    const supervisor = new Supervisor();
    let ended = false;
    let shutdown: Promise<void> | undefined;
    supervisor.startChild({
      id: "child",
      restart,
      run: async () => {
        shutdown = supervisor.shutdown();
        await turn();
        ended = true;
      },
    });
    await shutdown;
    assert.equal(ended, true);
    assert.equal(supervisor.countChildren(), 0);
  });
}

for (
  const [what, thrown] of Object.entries({
    "an object without a prototype": Object.create(null),
    "an object whose text fails": { toString: () => assert.fail() },
    "an error whose message fails": Object.defineProperty(
      new Error(),
      "message",
      { get: () => assert.fail() },
    ),
    "a symbol": Symbol("failure"),
    "nothing": undefined,
  })
) {
  Deno.test(`Supervisor gives up also when a child throws ${what}`, async () => {
    const supervisor = new Supervisor({ maxRestarts: 0 });
    supervisor.startChild({
      id: "child",
      restart: "permanent",
      run: () => Promise.reject(thrown),
    });
    await assert.rejects(supervisor.finished, (error: Error) => {
      assert.match(error.message, /"child": \S/);
      assert.equal(error.cause, thrown);
      return true;
    });
  });
}

Deno.test("Supervisor lets the event loop turn while a child ends as soon as it starts", async () => {
  let runs = 0;
  const supervisor = new Supervisor({
    maxRestarts: 1_000_000,
    onRestart: () => assert.ok(runs < 10_000, "the event loop never turned"),
  });
  supervisor.startChild({
    id: "child",
    restart: "permanent",
    run: () => Promise.resolve(void runs++),
  });
  await turn();
  await supervisor.shutdown();
  assert.ok(runs > 1 && runs < 100, `${runs} runs in one turn`);
  assert.equal(supervisor.countChildren(), 0);
});

Deno.test("Supervisor runs a child as a method of its specification", async () => {
  class Counted implements ChildSpec {
    readonly restart = "temporary";
    runs = 0;
    // deno-lint-ignore require-await -- a child is asynchronous
    async run(): Promise<void> {
      this.runs++;
    }
  }
  await using supervisor = new Supervisor();
  const child = new Counted();
  supervisor.startChild(child);
  supervisor.startChild(child);
  assert.equal(supervisor.countChildren(), 2);
  assert.equal(child.runs, 2);
});

Deno.test("Supervisor tells late temporary children without a name that it has stopped", async () => {
  const supervisor = new Supervisor();
  await supervisor.shutdown();
  assert.throws(
    () => supervisor.startChild({ restart: "temporary", run: async () => {} }),
    /^Error: Cannot start a child: the supervisor has stopped$/,
  );
});

Deno.test("Supervisor refuses a child whose id is in use, and takes it once that is free", async () => {
  await using supervisor = new Supervisor();
  const child = start(supervisor, "child", "temporary");
  assert.throws(
    () => start(supervisor, "child", "permanent"),
    /Cannot start child "child"/,
  );
  assert.equal(supervisor.countChildren(), 1);
  await child.end();
  start(supervisor, "child", "permanent");
  assert.equal(supervisor.countChildren(), 1);
});

Deno.test("Supervisor takes the default for an option that is undefined", async () => {
  const options = {
    maxRestarts: undefined,
    maxSeconds: undefined,
    shutdownTimeout: undefined,
    onRestart: undefined,
    now: undefined,
  };
  const supervisor = new Supervisor(options as unknown as SupervisorOptions);
  const child = start(supervisor, "child", "permanent");
  for (let run = 0; run < 4; run++) await child.fail();
  await assert.rejects(supervisor.finished, /more than 3 restarts within 5 s/);
});

Deno.test("Supervisor refuses children after a shutdown", async () => {
  const supervisor = new Supervisor();
  await supervisor.shutdown();
  assert.throws(
    () => start(supervisor, "late", "temporary"),
    /Cannot start child "late": the supervisor has stopped/,
  );
});

for (
  const options of [
    { maxRestarts: -1 },
    { maxRestarts: 1.5 },
    { maxRestarts: NaN },
    { maxSeconds: -1 },
    { maxSeconds: 0 },
    { maxSeconds: NaN },
    { shutdownTimeout: -1 },
    { shutdownTimeout: NaN },
    { shutdownTimeout: "5" },
    { onRestart: null },
    { now: 5 },
  ]
) {
  const [name] = Object.keys(options);
  Deno.test(`Supervisor refuses ${Deno.inspect(options)}`, () => {
    assert.throws(() => new Supervisor(options as SupervisorOptions), {
      name: /Restart$|now/.test(name!) ? "TypeError" : "RangeError",
      message: new RegExp(`^${name} must be `),
    });
  });
}

for (
  const [name, wrong] of [
    ["restart", { id: "child", restart: "always", run: async () => {} }],
    ["run", { id: "child", restart: "permanent" }],
    ["id", { restart: "transient", run: async () => {} }],
  ] as const
) {
  Deno.test(`Supervisor refuses a child whose ${name} is ${Deno.inspect((wrong as Record<string, unknown>)[name])}`, async () => {
    await using supervisor = new Supervisor();
    assert.throws(() => supervisor.startChild(wrong as unknown as ChildSpec), {
      name: "TypeError",
      message: new RegExp(`^${name} must be `),
    });
    assert.equal(supervisor.countChildren(), 0);
  });
}

Deno.test("Supervisor keeps nothing of 10,000 temporary children", async () => {
  await using supervisor = new Supervisor();
  let ended = 0;
  for (let i = 0; i < 10_000; i++) {
    supervisor.startChild({
      id: `child ${i}`,
      restart: "temporary",
      run: async () => {
        await turn();
        if (++ended % 3 === 0) throw new Error("every third");
      },
    });
  }
  assert.equal(supervisor.countChildren(), 10_000);
  while (ended < 10_000) await turn();
  await turn();
  assert.equal(supervisor.countChildren(), 0);
});

Deno.test({
  name: "Supervisor that gives up unheard does not end the process",
  ignore: !PROGRAM,
  fn: async () => {
    const script = `
      import { Supervisor } from "${
      import.meta.resolve("../../../lib/mod.ts")
    }";
      const supervisor = new Supervisor({ maxRestarts: 0 });
      const run = () => Promise.reject(new Error("failed"));
      supervisor.startChild({ id: "child", restart: "permanent", run });
      setTimeout(() => console.log("alive"), 1);
    `;
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["eval", script],
    }).output();
    assert.deepEqual(
      [code, new TextDecoder().decode(stdout)],
      [0, "alive\n"],
      new TextDecoder().decode(stderr),
    );
  },
});

/** What OTP's rules say of a supervisor, as plainly as they can be written. */
class Model {
  readonly starts: number[];
  readonly alive: Set<number>;
  gaveUpOn: number | undefined;
  #restarts: number[] = [];

  constructor(
    readonly kinds: Restart[],
    readonly maxRestarts: number,
    readonly maxSeconds: number,
  ) {
    this.starts = kinds.map(() => 1);
    this.alive = new Set(kinds.keys());
  }

  /** The child ends; if it is started again, it fails at once so many times. */
  end(child: number, failed: boolean, time: number, stillborn: number): void {
    const kind = this.kinds[child];
    if (kind === "temporary" || kind === "transient" && !failed) {
      this.alive.delete(child);
      return;
    }
    this.#restarts.push(time);
    const recent = this.#restarts.filter((restart) =>
      restart >= time - this.maxSeconds
    );
    if (recent.length > this.maxRestarts) {
      this.gaveUpOn = child;
      this.alive.clear();
      return;
    }
    this.starts[child]!++;
    if (stillborn > 0) this.end(child, true, time, stillborn - 1);
  }
}

Deno.test("Supervisor does what OTP's rules say, whichever children end how and when", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom(...RESTARTS), { minLength: 1, maxLength: 5 }),
      fc.nat(4),
      fc.integer({ min: 1, max: 6 }),
      fc.array(
        fc.record({
          child: fc.nat(4),
          failed: fc.boolean(),
          seconds: fc.nat(4),
          stillborn: fc.oneof(fc.constant(0), fc.nat(2)),
        }),
        { maxLength: 20 },
      ),
      async (kinds, maxRestarts, maxSeconds, ends) => {
        let time = 0;
        const now = () => time;
        const model = new Model(kinds, maxRestarts, maxSeconds);
        await using supervisor = new Supervisor({
          maxRestarts,
          maxSeconds,
          now,
        });
        let gaveUp: Error | undefined;
        supervisor.finished.catch((error) => gaveUp = error);
        const children = kinds.map((kind, i) =>
          start(supervisor, `${i}`, kind)
        );
        for (const { child: index, failed, seconds, stillborn } of ends) {
          time += seconds;
          const child = children[index];
          if (!child || !model.alive.has(index)) continue;
          model.end(index, failed, time, stillborn);
          child.stillborn = stillborn;
          await (failed ? child.fail() : child.end());
          assert.deepEqual(children.map(({ starts }) => starts), model.starts);
          assert.equal(supervisor.countChildren(), model.alive.size);
          assert.equal(gaveUp !== undefined, model.gaveUpOn !== undefined);
          if (!gaveUp) continue;
          assert.ok(gaveUp.message.includes(`"${model.gaveUpOn}"`));
          assert.ok(gaveUp.cause instanceof Error);
        }
      },
    ),
    { numRuns: 500 },
  ));
