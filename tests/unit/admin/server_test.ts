import assert from "node:assert/strict";
import { AdminServer } from "../../../lib/admin/server.ts";
import { Client, text } from "../../support/client.ts";
import { FakeAdminSource } from "../../support/fake_admin_source.ts";
import { inTime, NET, until } from "../../support/program.ts";

const MAX_OPEN = 64;

/** An admin server on a free port. */
async function start(
  source = new FakeAdminSource(),
): Promise<AdminServer & { url: string }> {
  const server = await AdminServer.start(
    { host: "127.0.0.1", port: 0 },
    source,
  );
  return Object.assign(server, { url: `http://127.0.0.1:${server.addr.port}` });
}

/** Closes it, whatever is open. */
function closed(server: AdminServer): Promise<void> {
  return inTime("the admin server to close", server.close());
}

/** Sends what need not be HTTP, and gives the status line of the answer. */
async function statusOf(port: number, request: string): Promise<string> {
  using client = await Client.connect(port);
  // It may be answered, and closed, before all of it is sent.
  await client.send(request).catch(() => {});
  let answer = "";
  while (!answer.includes("\r\n")) {
    const part = await client.receive();
    if (part === null) break;
    answer += text(part);
  }
  return answer.split("\r\n")[0]!;
}

function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: `AdminServer ${name}`, ignore: !NET, fn });
}

test("answers on its routes, each of its type", async () => {
  await using server = await start();
  for (
    const [path, type, content] of [
      ["/", "text/html; charset=utf-8", /^<!DOCTYPE html>/],
      ["/livez", "text/plain; charset=utf-8", /^alive\n$/],
      ["/readyz", "text/plain; charset=utf-8", /^ready\n$/],
      [
        "/metrics",
        "text/plain; version=0.0.4; charset=utf-8",
        /^# HELP echoserver_connections_accepted_total /,
      ],
      ["/connections", "application/json", /^\{"total":40,/],
      ["/metrics?a=b", "text/plain; version=0.0.4; charset=utf-8", /HELP/],
    ] as const
  ) {
    const response = await fetch(server.url + path);
    assert.equal(response.status, 200, path);
    assert.equal(response.headers.get("Content-Type"), type);
    assert.match(await response.text(), content);
  }
});

test("says that it is not ready from the first moment of a drain", async () => {
  const source = new FakeAdminSource();
  await using server = await start(source);
  source.draining = true;
  const ready = await fetch(`${server.url}/readyz`);
  assert.deepEqual([ready.status, await ready.text()], [503, "not ready\n"]);
  const live = await fetch(`${server.url}/livez`);
  assert.deepEqual([live.status, await live.text()], [200, "alive\n"]);
});

test("tells of a thousand connections at most", async () => {
  const source = new FakeAdminSource();
  source.crowd(2_000);
  await using server = await start(source);
  const { total, connections } =
    await (await fetch(`${server.url}/connections`)).json();
  assert.deepEqual([total, connections.length], [2_040, 1_000]);
  assert.deepEqual(Object.keys(connections[0]), [
    "connection",
    "listener",
    "peer",
    "client",
    "bytesIn",
    "bytesOut",
    "seconds",
  ]);
});

test("sends updates as server-sent events", async () => {
  await using server = await start();
  const response = await fetch(`${server.url}/events`);
  assert.equal(response.headers.get("Content-Type"), "text/event-stream");
  const reader = response.body!.getReader();
  const { value } = await reader.read();
  const [, json] = text(value!).match(/^data: (.*)\n\n$/)!;
  assert.equal(JSON.parse(json!).name, "echo-fra-1");
  await reader.cancel();
});

test("answers HEAD without a body", async () => {
  const source = new FakeAdminSource();
  await using server = await start(source);
  for (const path of ["/", "/livez", "/metrics", "/events"]) {
    const get = await fetch(server.url + path);
    await get.body!.cancel();
    const head = await fetch(server.url + path, { method: "HEAD" });
    assert.equal(head.status, 200, path);
    assert.equal(
      head.headers.get("Content-Type"),
      get.headers.get("Content-Type"),
    );
    assert.equal(await head.text(), "");
  }
  const { asked } = source;
  await fetch(`${server.url}/events`, { method: "HEAD" });
  assert.equal(source.asked, asked, "a stream was opened");
});

test("answers no other method, and reads no body", async () => {
  await using server = await start();
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const response = await fetch(`${server.url}/metrics`, { method });
    assert.equal(response.status, 405, method);
    assert.equal(response.headers.get("Allow"), "GET, HEAD");
    await response.body?.cancel();
  }
  const endless =
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
  assert.match(await statusOf(server.addr.port, endless), / 405 /);
});

test("knows no other path", async () => {
  await using server = await start();
  for (const path of ["/x", "/livez/", "/Metrics", "//", "/constructor"]) {
    const response = await fetch(server.url + path);
    assert.equal(response.status, 404, path);
    await response.body!.cancel();
  }
});

test("answers what is no good request with 4xx, and goes on", async () => {
  await using server = await start();
  const { port } = server.addr;
  for (
    const request of [
      "hello\r\n\r\n",
      "GET /livez HTTP/9.9\r\n\r\n",
      "GET /livez HTTP/1.1\r\nHost: a b:99999\r\n\r\n",
      "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
      `GET /livez HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(1_000_000)}\r\n\r\n`,
    ]
  ) {
    const status = await statusOf(port, request);
    assert.match(status, /^HTTP\/1\.1 4\d\d /, request.slice(0, 40));
  }
  assert.match(
    await statusOf(port, "GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"),
    / 200 /,
  );
});

test("sends headers that allow the page nothing foreign", async () => {
  await using server = await start();
  for (const path of ["/", "/metrics", "/x", "/events"]) {
    const { headers, body } = await fetch(server.url + path);
    await body!.cancel();
    assert.equal(headers.get("Cache-Control"), "no-store");
    assert.equal(headers.get("Referrer-Policy"), "no-referrer");
    assert.equal(headers.get("X-Content-Type-Options"), "nosniff");
    const policy = headers.get("Content-Security-Policy")!;
    assert.match(policy, /^default-src 'none'; script-src 'sha256-\S+'; /);
    assert.doesNotMatch(policy, /unsafe|\*|http/);
  }
});

test("says that it failed when the server cannot be asked", async () => {
  const source = new FakeAdminSource();
  source.failure = new Error("secret");
  await using server = await start(source);
  const response = await fetch(`${server.url}/metrics`);
  assert.deepEqual(
    [response.status, await response.text()],
    [500, "internal error\n"],
  );
});

test("keeps 64 requests open at most, and answers for its health beyond", async () => {
  await using server = await start();
  const streams = await Promise.all(
    Array.from({ length: MAX_OPEN }, () => fetch(`${server.url}/events`)),
  );
  assert.deepEqual([...new Set(streams.map(({ status }) => status))], [200]);
  for (const path of ["/events", "/metrics", "/"]) {
    const refused = await fetch(server.url + path);
    assert.equal(refused.status, 503, path);
    await refused.body!.cancel();
  }
  assert.equal(await (await fetch(`${server.url}/livez`)).text(), "alive\n");
  await streams[0]!.body!.cancel();
  // Its place is free when the server has noticed.
  await until(async () => {
    const { ok, body } = await fetch(`${server.url}/metrics`);
    await body!.cancel();
    assert.ok(ok);
  });
  for (const { body } of streams.slice(1)) await body!.cancel();
});

test("ends event streams as they should when it closes, at once", async () => {
  const server = await start();
  const { body } = await fetch(`${server.url}/events`);
  const reader = body!.getReader();
  await reader.read();
  await closed(server);
  // A chunked body that is cut off would be an error.
  while (!(await reader.read()).done);
});

test("closes though clients hold on to it, at once", async () => {
  const server = await start();
  const { port } = server.addr;
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;
  using silent = await Client.connect(port);
  using half = await Client.connect(port);
  await half.send("GET /metr");
  using idle = await Client.connect(port);
  await idle.send(get("/livez"));
  await idle.receive();
  using deaf = await Client.connect(port);
  await deaf.send(get("/events"));
  await deaf.receive();
  await closed(server);
  for (const client of [silent, half, idle, deaf]) await client.receiveAll();
  await assert.rejects(Client.connect(port), Deno.errors.ConnectionRefused);
});

test("lets an answer under way end when it closes", async () => {
  const source = new FakeAdminSource();
  const asked = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  source.connections = async () => {
    asked.resolve();
    await answer.promise;
    return { total: 7, connections: [] };
  };
  const server = await start(source);
  const response = fetch(`${server.url}/connections`);
  await asked.promise;
  const closed = server.close();
  answer.resolve();
  assert.equal((await (await response).json()).total, 7);
  await closed;
});

test("closes though the server it asks does not answer, at once", async () => {
  const source = new FakeAdminSource();
  const asked = Promise.withResolvers<void>();
  source.snapshot = () => {
    asked.resolve();
    return new Promise(() => {});
  };
  const server = await start(source);
  const response = fetch(`${server.url}/metrics`);
  response.catch(() => {});
  await asked.promise;
  await closed(server);
  await assert.rejects(response);
});

test("can be closed more than once", async () => {
  const server = await start();
  await Promise.all([server.close(), server.close()]);
  await server.close();
});

test("says in one line why it cannot listen", async () => {
  await using server = await start();
  const { port } = server.addr;
  for (
    const [settings, error] of [
      [{ host: "127.0.0.1", port }, {
        name: "AddrInUse",
        message:
          `Cannot listen on 127.0.0.1:${port} (admin): the port is already in use`,
      }],
      [{ host: "192.0.2.1", port: 9090 }, {
        name: "AddrNotAvailable",
        message:
          "Cannot listen on 192.0.2.1:9090 (admin): the address is not one of this machine",
      }],
    ] as const
  ) {
    await assert.rejects(
      AdminServer.start(settings, new FakeAdminSource()),
      error,
    );
  }
});
