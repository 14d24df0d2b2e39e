import assert from "node:assert/strict";
import {
  requireDescriptors,
  requireWorkers,
  ShortageError,
  threadError,
} from "../../../lib/tree/requirements.ts";
import { NET } from "../../support/program.ts";

const ADDRESS = { hostname: "127.0.0.1", port: 1050 };

/** A system that gives out so many sockets, and what asked for them. */
class System {
  open = 0;
  readonly asked: unknown[] = [];

  /**
   * @param left How many sockets it gives out.
   * @param after What it says then.
   * @param tcp What it says of TCP sockets, if they are not permitted.
   */
  constructor(
    private left: number,
    private after: Error,
    private tcp?: Error,
  ) {}

  // deno-lint-ignore no-explicit-any -- a listener of any kind
  readonly listen = (options: unknown): any => {
    this.asked.push(options);
    if (this.tcp) throw this.tcp;
    return this.#give();
  };

  // deno-lint-ignore no-explicit-any -- a listener of any kind
  readonly listenDatagram = (options: unknown): any => {
    this.asked.push(options);
    return this.#give();
  };

  #give() {
    if (this.left-- <= 0) throw this.after;
    this.open++;
    return { close: () => this.open-- };
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error("the system says no"), { code });
}

for (const code of ["EMFILE", "ENFILE"]) {
  Deno.test(`requireDescriptors names the limit and the cure (${code})`, () => {
    const system = new System(23, systemError(code));
    assert.throws(
      () => requireDescriptors("worker 2", ADDRESS, system),
      (error: ShortageError) => {
        assert.ok(error instanceof ShortageError);
        assert.equal(error.code, code);
        assert.equal(
          error.message,
          `Cannot start worker 2: out of descriptors (${code}), ` +
            'raise "ulimit -n" or start fewer workers',
        );
        return true;
      },
    );
    assert.equal(system.open, 0);
  });
}

Deno.test("requireDescriptors holds none when there are enough", () => {
  const system = new System(24, systemError("EMFILE"));
  requireDescriptors("worker 2", ADDRESS, system);
  assert.equal(system.asked.length, 24);
  assert.equal(system.open, 0);
});

Deno.test("requireDescriptors counts by datagrams on the server's own address where nothing else is permitted", () => {
  const denied = new Deno.errors.NotCapable();
  const enough = new System(24, systemError("EMFILE"), denied);
  requireDescriptors("worker 2", ADDRESS, enough);
  assert.deepEqual(enough.asked.at(-1), {
    transport: "udp",
    ...ADDRESS,
    reuseAddress: true,
  });
  const few = new System(3, systemError("EMFILE"), denied);
  assert.throws(
    () => requireDescriptors("worker 2", ADDRESS, few),
    ShortageError,
  );
  assert.equal(few.open, 0);
});

for (
  const error of [
    systemError("EADDRINUSE"),
    systemError("EACCES"),
    new Deno.errors.NotCapable(),
  ]
) {
  Deno.test(`requireDescriptors names no shortage that it has not seen (${(error as { code?: string }).code ?? error.name})`, () => {
    requireDescriptors("worker 2", ADDRESS, new System(5, error));
    requireDescriptors("worker 2", ADDRESS, new System(5, error, error));
  });
}

Deno.test({
  name: "requireDescriptors finds enough of them on this system",
  ignore: !NET,
  fn: () => requireDescriptors("worker 1", ADDRESS),
});

Deno.test("threadError names the limit of threads and the cure", () => {
  const error = threadError("worker 5", systemError("EAGAIN"));
  assert.ok(error instanceof ShortageError);
  assert.equal(error.code, "EAGAIN");
  assert.match(
    error.message,
    /^Cannot start worker 5: out of threads \(EAGAIN\), raise "ulimit -u" .* or start fewer workers$/,
  );
  const other = new Error("something else");
  assert.equal(threadError("worker 5", other), other);
});

/** Only Linux gets as far as permissions. */
const ignore = Deno.build.os !== "linux";

for (
  const [url, permissions, flag] of [
    ["file:///srv/worker.ts", { read: false }, "--allow-read"],
    [
      "https://example.org/worker.ts",
      { import: false },
      "--allow-import=example.org:443",
    ],
    [
      "http://127.0.0.1:8000/worker.ts",
      { import: false },
      "--allow-import=127.0.0.1:8000",
    ],
  ] as const
) {
  Deno.test({
    name: `requireWorkers names the permission that ${url} needs`,
    ignore,
    permissions: permissions as Deno.PermissionOptionsObject,
    fn: () =>
      assert.rejects(requireWorkers(new URL(url)), {
        name: "NotCapable",
        message:
          `Cannot start workers: permission missing, run again with ${flag}`,
      }),
  });
}

Deno.test({
  name: "requireWorkers needs no permission to read code that came over HTTPS",
  ignore: ignore ||
    (await Deno.permissions.query({ name: "import" })).state !== "granted",
  permissions: { read: false, import: "inherit" },
  fn: () => requireWorkers(new URL("https://example.org/worker.ts")),
});
