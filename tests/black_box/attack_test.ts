/**
 * What a hostile or unlucky client did to the server once, and may not again.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Client } from "../support/client.ts";
import { PROGRAM, Program } from "../support/program.ts";

const ignore = !PROGRAM || Deno.build.os === "windows";

/** Starts the program on listeners, and gives their ports. */
async function listeningOn(
  urls: string[],
  args: string[] = [],
): Promise<{ program: Program; ports: number[] }> {
  const listen = urls.flatMap((url) => ["--listen", url]);
  const permissions = ["--allow-net", "--allow-sys", "--allow-read"];
  const program = Program.spawn([...listen, ...args], { permissions });
  const found = await program.sawTimes(
    urls.length,
    / info listening on \S+:(\d+)/,
  );
  return { program, ports: found.map(([, port]) => Number(port)) };
}

for (const count of [1, 2]) {
  Deno.test({
    name:
      `echoserver drains at once at its limit of connections, on ${count} listeners`,
    ignore,
    async fn() {
      const urls = Array(count).fill("tcp://127.0.0.1:0");
      const { program, ports } = await listeningOn(urls, [
        "--max-connections",
        "1",
      ]);
      await using _program = program;
      using client = await Client.connect(ports[0]!);
      assert.equal(await client.echo("served\n"), "served\n");
      await program.saw(/--max-connections/);
      using waiting = await Client.connect(ports.at(-1)!);
      await waiting.send("not served\n");
      const start = performance.now();
      program.kill();
      assert.equal(await client.receive(), null);
      const { code, stderr } = await program.ended();
      assert.equal(code, 0);
      // Who waits has been accepted if no other of its listener was before.
      assert.match(stderr, /draining [12] connections?: [^]*stopped: [12] /);
      // It used to take the time-out and two seconds.
      assert.ok(performance.now() - start < 10_000);
    },
  });
}

Deno.test({
  name: "echoserver names its limit when it is below it again",
  ignore,
  async fn() {
    const { program, ports } = await listeningOn(["tcp://127.0.0.1:0"], [
      "--max-connections",
      "1",
    ]);
    await using _program = program;
    const client = await Client.connect(ports[0]!);
    await program.saw(/ 1 connection open, other clients wait/);
    client.close();
    await program.saw(/fewer than 1 connection open again/);
  },
});

for (const workers of [1, 2]) {
  Deno.test({
    name: `/connections has two keys, with ${workers} workers`,
    ignore: ignore || Deno.build.os !== "linux",
    async fn() {
      const { program } = await listeningOn(["tcp://127.0.0.1:0"], [
        "--admin",
        "0",
        "--workers",
        String(workers),
      ]);
      await using _program = program;
      const [, url] = await program.saw(/admin listening on (\S+)/);
      const answer = await fetch(`${url}/connections`);
      assert.deepEqual(await answer.json(), { total: 0, connections: [] });
    },
  });
}
