import assert from "node:assert/strict";
import { help } from "../../lib/cli/help.ts";
import { OPTIONS, type Table } from "../../lib/options/schema.ts";
import { READ_BUFFER } from "../../lib/lines/line_buffer.ts";
import { PROGRAM } from "../support/program.ts";

const root = new URL("../..", import.meta.url);

/** Files that may hold examples: the README, and what users can import. */
async function documents(): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(new URL("lib/", root))) {
    names.push(`lib/${name}`);
  }
  for await (const { name } of Deno.readDir(root)) {
    if (name === "README.md") names.push(name);
  }
  return names.sort();
}

Deno.test({
  name: "the README shows the help page as it is",
  ignore: !PROGRAM,
  fn: async () => {
    const readme = await Deno.readTextFile(new URL("README.md", root));
    assert.ok(readme.includes(help().trimEnd()));
  },
});

Deno.test({
  name: "the limits in SECURITY are those of the code",
  ignore: !PROGRAM,
  fn: async () => {
    const page = await Deno.readTextFile(
      new URL(".github/SECURITY.md", root),
    );
    const rows = page.matchAll(/^\| .* \| `--([a-z-]+)` +\| ([\d,]+)/gm);
    let count = 0;
    for (const [, option, number] of rows) {
      const name = option!.replace(
        /-./g,
        ([, letter]) => letter!.toUpperCase(),
      );
      const limit = (OPTIONS as Table)[name]!;
      assert.equal(number, limit.default.toLocaleString("en"), option);
      count++;
    }
    assert.equal(count, 5);
    assert.ok(page.includes(`| ${READ_BUFFER.toLocaleString("en")} |`));
  },
});

Deno.test({
  name: "every example in the documentation has the right types and works",
  ignore: !PROGRAM,
  fn: async () => {
    const files = await documents();
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
          // Lines for a prompt (`js`) leave their server running.
          "--filter=/\\.ts$/",
          ...files,
        ],
        cwd: root,
        env: { NO_COLOR: "1" },
      },
    ).output();
    const said = new TextDecoder().decode(stdout);
    assert.ok(success, said + new TextDecoder().decode(stderr));
    const passed = Number(said.match(/ok \| (\d+) passed/)?.[1]);
    assert.ok(passed >= await countExamples(files), said);
  },
});

Deno.test({
  name: "what the README has for a prompt works there",
  ignore: !PROGRAM,
  fn: async () => {
    const readme = await Deno.readTextFile(new URL("README.md", root));
    const [, lines] = readme.match(/^```js\n([^]*?)^```/m)!;
    const repl = new Deno.Command(Deno.execPath(), {
      args: ["repl", "--quiet", "--allow-net", "--allow-read"],
      cwd: root,
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const anyPort = lines!.replace(/\b(1050|2030)\b/g, "0");
    const [{ stdout, stderr }] = await Promise.all([
      repl.output(),
      ReadableStream.from([
        `${anyPort}console.log("shut down, and on port " + tree.addr.port);`,
      ]).pipeThrough(new TextEncoderStream()).pipeTo(repl.stdin),
    ]);
    const said = new TextDecoder().decode(stdout);
    assert.match(said, /shut down, and on port [1-9]/, said);
    assert.equal(new TextDecoder().decode(stderr), "");
  },
});

async function countExamples(files: string[]): Promise<number> {
  let count = 0;
  for (const file of files) {
    const text = await Deno.readTextFile(new URL(file, root));
    count += text.match(/^[ *]*```ts\b(?!.*\bignore\b)/gm)?.length ?? 0;
  }
  return count;
}
