/**
 * What the documents say, held against the code.
 *
 * @module
 */

import assert from "node:assert/strict";
import { metrics } from "../../lib/admin/metrics.ts";
import { help, probeHelp } from "../../lib/cli/help.ts";
import { READ_BUFFER } from "../../lib/lines/line_buffer.ts";
import { probe, type ServerEvent } from "../../lib/mod.ts";
import { OPTIONS, type Table } from "../../lib/options/schema.ts";
import {
  Counters,
  ENDINGS,
  REJECT_REASONS,
} from "../../lib/telemetry/counters.ts";
import { logger } from "../../lib/telemetry/logger.ts";
import {
  accepting,
  has,
  runSection,
  sectionsOf,
} from "../support/documented.ts";
import { EVERY_EVENT } from "../support/every_event.ts";
import { HAPROXY, Haproxy } from "../support/haproxy.ts";
import { checkManifests } from "../support/manifest.ts";
import { adminOf } from "../support/metrics.ts";
import { freePort } from "../support/ports.ts";
import {
  NO_TLS,
  PROGRAM,
  Program,
  programTest,
  run,
} from "../support/program.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const root = new URL("../..", import.meta.url);

function read(path: string): Promise<string> {
  return Deno.readTextFile(new URL(path, root));
}

/** All files below a folder whose names end so, as paths. */
async function filesBelow(folder: string, end: string): Promise<string[]> {
  const files: string[] = [];
  for await (
    const { name, isDirectory } of Deno.readDir(new URL(folder, root))
  ) {
    if (isDirectory) files.push(...await filesBelow(`${folder}${name}/`, end));
    else if (name.endsWith(end)) files.push(folder + name);
  }
  return files.sort();
}

/**
 * The rows of the table under a sentence or heading, without its head: the cells
 * of each.
 */
function rows(page: string, before: string): string[][] {
  const [, table] = page.split(before)[1]!.split(/\n\n(?=\|)/);
  return table!.split("\n\n")[0]!.split("\n").slice(2)
    .map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
}

/** The first cell of each row of the table under a sentence or heading. */
function firstCells(page: string, before: string): string[] {
  return rows(page, before).map(([first]) => coded(first!)[0]!);
}

/** What a text has between backticks. */
function coded(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
}

/** A block of the kind that its first line names. */
function block(page: string, kind: string): string {
  const [, text] = page.split(`\`\`\`${kind}\n`);
  assert.ok(text, `there is no block of ${kind}`);
  return text.split("```")[0]!;
}

programTest("the README shows the help pages as they are", async () => {
  const page = await read("README.md");
  for (const shown of [help(), probeHelp()]) {
    assert.ok(page.includes(`\n${shown.trimEnd()}\n`));
  }
});

const readme = PROGRAM ? await read("README.md") : "";
for (const section of sectionsOf(readme)) {
  programTest({
    name: `the README's commands work: ${section.title}`,
    ignore: Deno.build.os !== "linux" ||
      NO_TLS && section.title.includes("TLS"),
  }, () => runSection(section));
}

programTest(
  "the README explains every ending and every reason of a rejection",
  async () => {
    const page = await read("README.md");
    assert.deepEqual(firstCells(page, "### How a connection ends"), ENDINGS);
    assert.deepEqual(firstCells(page, "is `rejected`"), REJECT_REASONS);
  },
);

programTest("the README explains every metric", async () => {
  const listeners = [{
    listener: "tcp://127.0.0.1:1050",
    ...new Counters().snapshot(),
  }];
  const text = metrics(
    { name: "echo", version: "1.2.3" },
    { listeners, restarts: 0 },
  );
  const names = [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
  assert.deepEqual(firstCells(await read("README.md"), "### Metrics"), names);
});

programTest(
  "the README explains every event of the log, and every key",
  async () => {
    const [, section] = (await read("README.md")).split("### The log");
    const events = rows(section!, "and these:");
    assert.deepEqual(
      events.map(([event]) => coded(event!)[0]).sort(),
      Object.keys(EVERY_EVENT).sort(),
    );
    const used = new Set<string>();
    for (const [event, level, , keys] of events) {
      const [type] = coded(event!) as [keyof typeof EVERY_EVENT];
      const logged = asLogged(EVERY_EVENT[type]);
      assert.equal(level!.split(",")[0], logged.level, type);
      assert.deepEqual(coded(keys!).sort(), logged.keys, type);
      for (const key of logged.keys) used.add(key);
    }
    const explained = rows(section!, "| `failure`")
      .flatMap(([keys]) => coded(keys!));
    assert.deepEqual(explained.sort(), [...used].sort());
  },
);

/** The level of an event in a JSON log, and the keys that not all have. */
function asLogged(event: ServerEvent): { level: string; keys: string[] } {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  logger({ format: "json", verbosity: "verbose", write })(event);
  const { time: _, level, event: __, message: ___, ...rest } = JSON.parse(
    lines[0]!,
  );
  return { level, keys: Object.keys(rest).sort() };
}

programTest("the README explains the keys of /connections", async () => {
  await using server = await Program.listening(["--admin", "0"]);
  const admin = await adminOf(server);
  using connection = await Deno.connect({
    hostname: "127.0.0.1",
    port: server.port,
  });
  await connection.write(new TextEncoder().encode("\n"));
  await connection.read(new Uint8Array(1));
  const { connections: [open] } = await (await fetch(`${admin}/connections`))
    .json();
  assert.deepEqual(
    rows(readme, "### Open connections").flatMap(([keys]) => coded(keys!)),
    Object.keys(open),
  );
});

programTest("the README explains the greeting", async () => {
  const [, section] = readme.split("### See whether");
  await using server = await Program.listening(["--greeting"]);
  using connection = await Deno.connect({
    hostname: "127.0.0.1",
    port: server.port,
  });
  await connection.closeWrite();
  const greeting = await new Response(connection.readable).json();
  assert.deepEqual(
    firstCells(section!, "```text"),
    Object.keys(greeting),
  );
});

programTest(
  "the README shows and explains every key of the probe's JSON",
  async () => {
    await using server = await Program.listening(["--greeting"]);
    const report = await probe(`127.0.0.1:${server.port}`, {
      count: 10,
      rate: 1000,
      greeting: true,
    });
    const shown = JSON.parse(block(readme, "json"));
    assert.deepEqual(keysOf(shown), keysOf(report));
    const [, explained] = readme.split("### JSON of the probe");
    const keys = [...Object.keys(report), ...Object.keys(report.errors)];
    for (const key of keys) assert.ok(explained!.includes(`\`${key}\``), key);
  },
);

programTest("the limits in SECURITY are those of the code", async () => {
  const page = await read(".github/SECURITY.md");
  const rows = page.matchAll(
    /^\| .* \| `--([a-z-]+)` +\| ([\d,]+|none)/gm,
  );
  let count = 0;
  for (const [, option, limit] of rows) {
    const name = option!.replace(
      /-./g,
      ([, letter]) => letter!.toUpperCase(),
    );
    const byDefault = (OPTIONS as Table)[name]?.default;
    const shown = byDefault === 0 ? "none" : byDefault?.toLocaleString("en");
    assert.equal(limit, shown, option);
    count++;
  }
  assert.equal(count, 6);
  assert.match(
    page,
    RegExp(`\\| ${READ_BUFFER.toLocaleString("en")} +\\|`),
  );
});

programTest("each promise of SECURITY names a test that there is", async () => {
  const names: string[] = [];
  for (const file of await filesBelow("tests/", "_test.ts")) {
    const calls = (await read(file)).matchAll(
      /(?:\bname:\s+|[tT]est\(\s*)(?:"([^"\n]+)"|`([^`$]+))/g,
    );
    for (const [, whole, beginning] of calls) names.push(whole ?? beginning!);
  }
  const page = await read(".github/SECURITY.md");
  const promises = page.split("## What it promises")[1]!
    .split("## What it does not promise")[0]!;
  const rows = [...promises.matchAll(/^\| (.*?) +\| (.*?) +\|$/gm)]
    .map(([, , test]) => test!)
    .filter((test) => test !== "test" && !test.startsWith("-"));
  assert.ok(rows.length > 30, `${rows.length} promises`);
  for (const test of rows) {
    assert.ok(
      names.some((name) => name === test || name === `${test}: `),
      `there is no test "${test}"`,
    );
  }
});

programTest(
  "every link of the documents within the project leads somewhere",
  async () => {
    const pages = ["README.md", ...await filesBelow(".github/", ".md")];
    for (const page of pages) {
      const links = (await read(page)).matchAll(
        /(?:\]\(|src(?:set)?=")(?!https?:)([^)"#]*)(?:#([^)"]+))?/g,
      );
      for (const [, path, anchor] of links) {
        const target = new URL(path!, new URL(page, root));
        const text = await Deno.readTextFile(target).catch(() => {
          throw new Error(`${page} links to ${path}, which is not there`);
        });
        assert.ok(
          anchor === undefined || anchorsOf(text).includes(anchor),
          `${page} links to ${path}#${anchor}, which is not there`,
        );
      }
    }
  },
);

/** What links to the headings of a page have behind the `#`. */
function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!.toLowerCase().replace(/[^\w\s-]/g, "").replaceAll(" ", "-")
  );
}

programTest(
  "every example in the documentation has the right types and works",
  async () => {
    const files: string[] = [];
    let examples = 0;
    for (const file of ["README.md", ...await filesBelow("lib/", ".ts")]) {
      const count = await countExamples(file);
      if (count > 0) files.push(file);
      examples += count;
    }
    const anyPort = import.meta.resolve("../support/any_port.ts");
    const { success, stdout, stderr } = await new Deno.Command(
      Deno.execPath(),
      {
        args: [
          "test",
          "--doc",
          "--no-prompt",
          "--allow-net",
          "--allow-read",
          `--preload=${anyPort}`,
          ...files,
        ],
        cwd: root,
        env: { NO_COLOR: "1" },
      },
    ).output();
    const said = new TextDecoder().decode(stdout);
    assert.ok(success, said + new TextDecoder().decode(stderr));
    const passed = Number(said.match(/ok \| (\d+) passed/)?.[1]);
    assert.ok(passed >= examples, said);
  },
);

programTest("what the README has for a prompt works there", async () => {
  const lines = block(readme, "js ignore");
  const repl = new Deno.Command(Deno.execPath(), {
    args: ["repl", "--quiet", "--allow-net", "--allow-read"],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const anyPort = lines.replace(/\b(1050|2030)\b/g, "0");
  const [{ stdout, stderr }] = await Promise.all([
    repl.output(),
    ReadableStream.from([
      `${anyPort}console.log("shut down, and on port " + tree.addr.port);`,
    ]).pipeThrough(new TextEncoderStream()).pipeTo(repl.stdin),
  ]);
  const said = new TextDecoder().decode(stdout);
  assert.match(said, /shut down, and on port [1-9]/, said);
  assert.equal(new TextDecoder().decode(stderr), "");
});

await checkedBy("systemd-analyze", "systemd finds nothing in its unit", {
  files: (page) => ({
    // It looks for the executable.
    "echoserver.service": block(page, "ini").replace(
      /(?<=^ExecStart=)\S+/m,
      Deno.execPath(),
    ),
  }),
  args: ["verify", "echoserver.service"],
});

await checkedBy("promtool", "Prometheus takes its configuration", {
  files: prometheusFiles,
  args: ["check", "config", "prometheus.yml"],
});

await checkedBy("promtool", "Prometheus takes its alerts", {
  files: prometheusFiles,
  args: ["check", "rules", "echoserver.rules.yml"],
});

programTest(
  "the alerts in DEPLOYMENT ask for metrics that the server has",
  async () => {
    const page = await read(".github/DEPLOYMENT.md");
    const sources = await read("lib/admin/metrics.ts");
    const names = block(page, "yaml rules").match(/\bechoserver_\w+/g);
    assert.ok(names && names.length > 0);
    for (const name of names) assert.ok(sources.includes(`"${name}"`), name);
  },
);

programTest(
  "the manifests in DEPLOYMENT fit the schemas of Kubernetes",
  async () => {
    const page = await read(".github/DEPLOYMENT.md");
    const kinds = await checkManifests(block(page, "yaml kubernetes"));
    if (kinds) assert.deepEqual(kinds, ["Deployment", "Service"]);
    else console.log("SKIPPED: npm does not give the schemas of Kubernetes");
  },
);

programTest(
  "the health check in DEPLOYMENT passes, and fails without a server",
  async () => {
    const file = block(await read(".github/DEPLOYMENT.md"), "dockerfile");
    const [, command] = file.match(/^HEALTHCHECK .*CMD (\[.*\])$/m)!;
    const [, ...args] = JSON.parse(command!);
    const address = args.pop();
    assert.equal(address, `127.0.0.1:${OPTIONS.port.default}`);
    await using server = await Program.listening();
    const here = `127.0.0.1:${server.port}`;
    assert.equal((await run([...args, here])).code, 0);
    server.kill();
    await server.ended();
    assert.equal((await run([...args, here])).code, 1);
  },
);

programTest("the arguments in DEPLOYMENT's manifest are right", async () => {
  const page = block(await read(".github/DEPLOYMENT.md"), "yaml kubernetes");
  const args = [...page.matchAll(/^ +- "?(--[^"\s]+)"?$/gm)].map(([, arg]) =>
    arg!
  );
  assert.ok(args.length >= 4);
  // With --version behind them they are checked, and nothing is started.
  const { code, stderr } = await run([...args, "--version"]);
  assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
});

programTest({
  name: "HAProxy passes TLS on with the client's address, as DEPLOYMENT says",
  ignore: NO_TLS || !HAPROXY,
}, async () => {
  await using server = Program.spawn([
    ...["--listen", "tls://127.0.0.1:0?proxy=127.0.0.1"],
    ...["--admin", "127.0.0.1:0", "--greeting", "--verbose"],
  ]);
  const [, fingerprint] = await server.saw(/SHA-256 (\w+)\n/);
  const { port: admin } = new URL(await adminOf(server));
  const [, tls] = await server.saw(/listening on tls:\S+:(\d+)\n/);
  const port = freePort();
  const config = haproxySection(await read(".github/DEPLOYMENT.md"))
    .replace("bind :1051", `bind 127.0.0.1:${port}`)
    .replace("port 9090", `port ${admin}`)
    .replaceAll(/10\.0\.0\.1[12]:1051/g, `127.0.0.1:${tls}`);
  await using haproxy = await Haproxy.start(config);
  await accepting(port);
  const report = await probe(`tls://127.0.0.1:${port}`, {
    count: 20,
    connections: 2,
    fingerprint: fingerprint!,
    greeting: true,
  });
  assert.ok(report.ok, `${report.first_error}\n${haproxy.log.stderr}`);
  await server.saw(/127\.0\.0\.1:\d+ \(via 127\.0\.0\.1:\d+\) closed/);
});

/** The section for TLS, behind what it has in common with the first one. */
function haproxySection(page: string): string {
  const common = block(page, "haproxy").split(/^listen /m)[0]!;
  return common + page.split("```haproxy\n").at(-1)!.split("```")[0]!;
}

function prometheusFiles(page: string): Record<string, string> {
  return {
    "prometheus.yml": block(page, "yaml prometheus"),
    "echoserver.rules.yml": block(page, "yaml rules"),
  };
}

/** A test that a program finds nothing in files of DEPLOYMENT. */
async function checkedBy(
  command: string,
  name: string,
  { files, args }: {
    files: (page: string) => Record<string, string>;
    args: string[];
  },
): Promise<void> {
  const installed = PROGRAM && await has(command);
  if (PROGRAM && !installed) {
    console.log(`"${name}" is ignored: ${command} is not installed.`);
  }
  programTest({ name, ignore: !installed }, async () => {
    await using directory = await temporaryDirectory();
    const { path: cwd } = directory;
    const page = await read(".github/DEPLOYMENT.md");
    for (const [file, text] of Object.entries(files(page))) {
      await Deno.writeTextFile(`${cwd}/${file}`, text);
    }
    const { success, stdout, stderr } = await new Deno.Command(command, {
      args,
      cwd,
    }).output();
    const said = [stdout, stderr]
      .map((bytes) => new TextDecoder().decode(bytes)).join("");
    assert.ok(success, said);
    assert.doesNotMatch(said, /echoserver\.service:\d+|warning/i);
  });
}

/** The names of all keys, with those of objects in them; greetings are names. */
function keysOf(value: object): string[] {
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === "object" && inner !== null && key !== "greetings"
      ? keysOf(inner).map((name) => `${key}.${name}`)
      : [key]
  );
}

async function countExamples(file: string): Promise<number> {
  const examples = /^[ *]*```ts\b(?!.*\bignore\b)/gm;
  return (await read(file)).match(examples)?.length ?? 0;
}
