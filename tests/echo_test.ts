import assert from "node:assert/strict";
import { bytes, Client, reset, text } from "./client.ts";
import { Program, PROGRAM } from "./program.ts";

const ignore = !PROGRAM;

Deno.test({ name: "the server gives back a tail without LF, then FIN", ignore }, async () => {
  await using program = await Program.listening();
  using client = await Client.connect(program.port);
  await client.send("one\ntwo");
  await client.closeWrite();
  assert.equal(text(await client.receiveAll()), "one\ntwo");
});

Deno.test({ name: "a client that resets before it is accepted is passed over", ignore }, async () => {
  await using program = await Program.listening();
  program.kill("SIGSTOP");
  for (let i = 0; i < 20; i++) await reset(program.port);
  program.kill("SIGCONT");
  using client = await Client.connect(program.port);
  assert.equal(await client.echo("still here\n"), "still here\n");
  void bytes;
});
