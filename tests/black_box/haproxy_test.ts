/**
 * The program behind a real HAProxy: as `.github/DEPLOYMENT.md` configures it,
 * and with the PROXY protocol and TLS between.
 *
 * @module
 */

import assert from "node:assert/strict";
import { certificateFiles } from "../support/certificate.ts";
import { Client, netAddress, text } from "../support/client.ts";
import { HAPROXY, Haproxy } from "../support/haproxy.ts";
import { freePort } from "../support/ports.ts";
import { NO_TLS, PROGRAM, Program } from "../support/program.ts";
import { WITH_FILES } from "../support/transports.ts";

if (PROGRAM && !HAPROXY) {
  console.log(
    "The tests behind HAProxy are ignored: haproxy is not installed.",
  );
}

/** Clients of each kind. */
const CLIENTS = 8;

/**
 * A session that has ended: the client's port, the server, and how it ended.
 */
const SESSION = /\b127\.0\.0\.1:(\d+) \[.*\] echo echo\/(\S+) \S+ \d+ (\S\S) /;

Deno.test({
  name: "behind HAProxy, clients lose nothing while one of two servers drains",
  ignore: !HAPROXY,
  fn: async () => {
    await using one = await Program.listening();
    await using two = await Program.listening();
    const port = freePort();
    const config = replaceAll(await documented(), {
      "bind :7\n": `bind 127.0.0.1:${port}\n`,
      "10.0.0.11:1050": `127.0.0.1:${one.port}`,
      "10.0.0.12:1050": `127.0.0.1:${two.port}`,
      // A machine that is busy must not make a healthy server look ill.
      "inter 1s": "inter 500ms",
      "timeout connect 1s": "timeout connect 10s\n  timeout check 10s",
    });
    await using proxy = await Haproxy.start(config);
    await proxy.checked("echo/one", "echo/two");
    await using clients = new AsyncDisposableStack();

    const writers: Client[] = [];
    for (let i = 0; i < CLIENTS; i++) {
      const writer = clients.use(await Client.connect(port));
      await writer.send("whole\nhalf");
      // What was sent with it has arrived as well.
      assert.equal(await writer.receiveText(6), "whole\n");
      writers.push(writer);
    }
    const talkers: Talker[] = [];
    for (let i = 0; i < CLIENTS; i++) {
      talkers.push(clients.use(new Talker(port)));
    }
    await Promise.all(talkers.map((talker) => talker.another()));

    one.kill("SIGTERM");
    await one.saw(/draining/);
    await Promise.all(talkers.map((talker) => talker.another()));
    await proxy.log.saw(/Server echo\/one is DOWN/);
    await Promise.all(talkers.map((talker) => talker.another()));
    for (const writer of writers) {
      await writer.send(" and half\n");
      assert.equal(await writer.receiveText(14), "half and half\n");
      writer.close();
    }
    assert.equal((await one.ended()).code, 0);

    using late = await Client.connect(port);
    await late.send("late\ntail");
    await late.closeWrite();
    assert.equal(text(await late.receiveAll()), "late\ntail");

    await Promise.all(talkers.map((talker) => talker.another()));
    await clients.disposeAsync();
    two.kill("SIGTERM");
    assert.equal((await two.ended()).code, 0);

    const connections = 1 + CLIENTS +
      talkers.reduce((sum, { connections }) => sum + connections, 0);
    const sessions = await proxy.log.sawTimes(connections, SESSION);
    const served = (client: Client) =>
      sessions.find(([, port]) => Number(port) === client.localAddr.port)?.[2];
    assert.deepEqual([...new Set(sessions.map(([, , , how]) => how))], ["--"]);
    assert.deepEqual([...new Set(writers.map(served))].sort(), ["one", "two"]);
    assert.equal(served(late), "two");
  },
});

/** What all sections of a configuration of our own begin with. */
const COMMON = `
global
  log stderr format raw local0
defaults
  mode tcp
  log global
  timeout connect 10s
  timeout check 10s
  timeout client 1m
  timeout server 1m
  option tcp-check
  tcp-check send "are you there\\n"
  tcp-check expect string "are you there"
  option log-health-checks
  default-server check inter 500ms rise 1
`;

Deno.test({
  name: "behind HAProxy, the server sees its clients, their line and their TLS",
  ignore: !HAPROXY || NO_TLS,
}, async () => {
  await using files = await certificateFiles();
  const trust = `ssl verify required verifyhost localhost ca-file ` +
    `${files.directory}/cert.pem`;
  await using program = await Program.listeningAt(
    [
      "tcp://127.0.0.1:0?proxy=127.0.0.1",
      "tls://127.0.0.1:0?proxy=127.0.0.1",
      "tls://127.0.0.1:0",
    ],
    ["--greeting", "--verbose", ...files.options],
    { permissions: WITH_FILES },
  );
  const [tcp, tls, plainTls] = program.addresses
    .map((address) => netAddress(address).port);
  const sections = [
    { server: `127.0.0.1:${tcp} send-proxy`, sees: "client" },
    { server: `127.0.0.1:${tcp} send-proxy-v2`, sees: "client" },
    {
      server: `127.0.0.1:${tcp} send-proxy-v2 check-send-proxy`,
      sees: "client",
    },
    { server: `127.0.0.1:${tls} send-proxy-v2 ${trust}`, sees: "client" },
    { server: `127.0.0.1:${plainTls} ${trust}`, sees: "proxy" },
  ].map((section, i) => ({ ...section, name: `s${i}`, port: freePort() }));
  const config = COMMON +
    sections.map(({ name, port, server }) =>
      `listen ${name}\n  bind 127.0.0.1:${port}\n  server echo ${server}\n`
    ).join("");
  await using proxy = await Haproxy.start(config);
  await proxy.checked(...sections.map(({ name }) => `${name}/echo`));

  for (const { port, sees } of sections) {
    using client = await Client.connect(port);
    await client.send("whole\ntail");
    await client.closeWrite();
    const [greeting, ...echo] = text(await client.receiveAll()).split("\n");
    const said = JSON.parse(greeting!);
    const own = `127.0.0.1:${client.localAddr.port}`;
    assert.notEqual(said.peer, own);
    assert.equal(said.client, sees === "client" ? own : said.peer);
    assert.deepEqual(echo, ["whole", "tail"]);
  }
  // Nor was a header of its health checks refused.
  assert.doesNotMatch(program.stderr, /PROXY/);
});

/**
 * Sends line after line, each when the one before is back. After the server's
 * FIN it connects again, and sends again what is not back.
 */
class Talker {
  /** How often it has connected. */
  connections = 0;

  readonly #end: Promise<void>;
  #stopped = false;
  #echo = Promise.withResolvers<void>();

  constructor(port: number) {
    this.#end = this.#talk(port);
    // Whoever waits for an echo, or for the end, sees the failure.
    this.#end.catch(() => {});
  }

  /** Waits for an echo of a line that it has yet to send. */
  async another(): Promise<void> {
    for (let echoes = 0; echoes < 2; echoes++) {
      await Promise.race([this.#echo.promise, this.#end]);
    }
  }

  /** Stops after the line that is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#end;
  }

  async #talk(port: number): Promise<void> {
    for (let lines = 0; !this.#stopped;) {
      using client = await Client.connect(port);
      this.connections++;
      while (!this.#stopped) {
        const line = `line ${lines}\n`;
        const back = await client.echo(line);
        if (back === "") break;
        assert.equal(back, line);
        lines++;
        this.#echo.resolve();
        this.#echo = Promise.withResolvers();
      }
    }
  }
}

/** The configuration that the documentation gives. */
async function documented(): Promise<string> {
  const page = new URL("../../.github/DEPLOYMENT.md", import.meta.url);
  const [, config] =
    (await Deno.readTextFile(page)).match(/```haproxy\n([^]*?)```/) ?? [];
  assert(config, "DEPLOYMENT.md holds no HAProxy configuration");
  return config;
}

function replaceAll(
  content: string,
  replacements: Record<string, string>,
): string {
  return Object.entries(replacements).reduce((text, [from, to]) => {
    assert(text.includes(from), `nothing to replace: ${from}`);
    return text.replaceAll(from, to);
  }, content);
}
