/**
 * What a start without options costs.
 *
 * @module
 */

import assert from "node:assert/strict";
import { PROGRAM } from "../support/program.ts";

const ROOT = new URL("../../", import.meta.url).href;

/** What `deno info --json` tells of a module. */
interface Module {
  specifier: string;
  dependencies?: { code?: { specifier: string }; isDynamic?: boolean }[];
}

Deno.test({
  name: "a start without options loads nothing that it does not use",
  ignore: !PROGRAM,
  fn: async () => {
    const loaded = await loadedWith("lib/cli/run.ts");
    for (
      const unused of [
        ...["lib/admin/", "lib/faults/", "lib/probe/"],
        ...["lib/cli/help.ts", "lib/cli/pem.ts", "lib/net/certificate.ts"],
        ...["lib/net/tls.ts", "lib/net/udp.ts", "lib/net/unix.ts"],
        ...["lib/server/datagrams.ts", "lib/tree/worker", "node:"],
        ...["lib/util/random.ts", "deno.json"],
        // What serves connections is loaded behind the ready line.
        ...["lib/connection/", "lib/lines/line_stream.ts"],
        ...["lib/server/serving.ts", "lib/server/drain.ts"],
      ]
    ) {
      const needless = loaded.filter((module) => module.startsWith(unused));
      assert.deepEqual(needless, []);
    }
    assert.ok(loaded.includes("lib/server/server.ts"));
  },
});

/** A module, and all that are loaded with it. */
async function loadedWith(path: string): Promise<string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", ROOT + path],
  }).output();
  const modules: Module[] =
    JSON.parse(new TextDecoder().decode(stdout)).modules;
  const loaded = new Set([ROOT + path]);
  // The set grows while it is gone through.
  for (const specifier of loaded) {
    const module = modules.find((each) => each.specifier === specifier);
    for (const { code, isDynamic } of module?.dependencies ?? []) {
      if (code && !isDynamic) loaded.add(code.specifier);
    }
  }
  return [...loaded].map((specifier) => specifier.replace(ROOT, ""));
}
