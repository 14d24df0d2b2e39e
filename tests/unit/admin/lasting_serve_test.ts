import assert from "node:assert/strict";
import { Client, text } from "../../support/client.ts";
import { PROC, Program, until } from "../../support/program.ts";

const SCRIPT = import.meta.resolve(
  "../../support/admin_without_descriptors.ts",
);

Deno.test({
  name: "AdminServer listens on when descriptors had run out",
  ignore: !PROC,
  fn: async () => {
    const run = `ulimit -n 100; exec "$0" run --allow-all "$1"`;
    const args = ["-c", run, Deno.execPath(), SCRIPT];
    await using program = Program.other("sh", args);
    const [, port] = await program.saw(/none left, listening on (\d+)\n/);
    // It ends with this, and does not come again before there are some.
    await assert.rejects(get(Number(port)));
    program.kill("SIGUSR2");
    await program.saw(/free again/);
    assert.match(await until(() => get(Number(port))), /alive\n$/);
  },
});

/** Asks for /livez; a refusal or a reset rejects. */
async function get(port: number): Promise<string> {
  using client = await Client.connect(port);
  await client.send(
    "GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  );
  const answer = text(await client.receiveAll());
  if (answer === "") throw new Error("closed without an answer");
  return answer;
}
