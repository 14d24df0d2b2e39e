/**
 * What a start without options loads, and what a probe does.
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
    const loaded = await loadedWith("lib/cli/run.ts", [
      ...["lib/admin/", "lib/faults/", "lib/probe/"],
      ...["lib/cli/help.ts", "lib/cli/pem.ts", "lib/net/certificate.ts"],
      ...["lib/net/tls.ts", "lib/net/udp.ts", "lib/net/unix.ts"],
      ...["lib/server/datagrams.ts", "lib/tree/worker", "node:"],
      ...["lib/util/random.ts", "deno.json"],
      // What serves connections is loaded behind the ready line.
      ...["lib/connection/", "lib/lines/line_stream.ts"],
      ...["lib/server/serving.ts", "lib/server/drain.ts"],
    ]);
    assert.ok(loaded.includes("lib/server/server.ts"));
  },
});

Deno.test({
  name:
    "a probe, which may be a health check, loads nothing that it does not use",
  ignore: !PROGRAM,
  fn: async () => {
    const loaded = await loadedWith("lib/cli/probe.ts", [
      ...["lib/admin/", "lib/connection/", "lib/faults/", "lib/server/"],
      ...["lib/tree/", "lib/cli/help.ts", "lib/probe/tls_wire.ts", "node:"],
      // What draws is loaded when there is something to draw.
      ...["lib/probe/plot.ts", "lib/probe/text_report.ts"],
      "lib/probe/progress_line.ts",
    ]);
    assert.ok(loaded.includes("lib/probe/runner.ts"));
  },
});

/**
 * A module, and all that are loaded with it: none whose path begins as one of
 * those that are not used.
 */
async function loadedWith(
  path: string,
  unused: readonly string[],
): Promise<string[]> {
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
  const paths = [...loaded].map((specifier) => specifier.replace(ROOT, ""));
  assert.deepEqual(
    paths.filter((path) => unused.some((start) => path.startsWith(start))),
    [],
  );
  return paths;
}
