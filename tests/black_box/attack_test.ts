/**
 * What a hostile or unlucky client did to the server once, and may not again.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Client, netAddress } from "../support/client.ts";
import { PROGRAM, Program } from "../support/program.ts";

const ignore = !PROGRAM || Deno.build.os === "windows";

for (const count of [1, 2]) {
  Deno.test({
    name:
      `echoserver drains at once at its limit of connections, on ${count} listeners`,
    ignore,
    async fn() {
      // It used to take the time-out.
      await using program = await Program.listeningAt(
        Array(count).fill("tcp://127.0.0.1:0"),
        ["--max-connections", "1", "--shutdown-timeout", "86400"],
      );
      const ports = program.addresses
        .map((address) => netAddress(address).port);
      using client = await Client.connect(ports[0]!);
      assert.equal(await client.echo("served\n"), "served\n");
      await program.saw(/--max-connections/);
      using waiting = await Client.connect(ports.at(-1)!);
      await waiting.send("not served\n");
      program.kill();
      assert.equal(await client.receive(), null);
      client.close();
      // FIN if it was accepted, else a reset.
      await waiting.receiveAll().catch(() => {});
      waiting.close();
      const { code, stderr } = await program.ended();
      assert.equal(code, 0);
      // Who waits has been accepted if no other of its listener was before.
      assert.match(stderr, /draining [12] connections?: [^]*stopped: [12] /);
    },
  });
}

Deno.test({
  name: "echoserver names its limit when it is below it again",
  ignore,
  async fn() {
    await using program = await Program.listening(["--max-connections", "1"]);
    const client = await Client.connect(program.port);
    await program.saw(/ 1 connection open, other clients wait/);
    client.close();
    await program.saw(/fewer than 1 connection open again/);
  },
});
