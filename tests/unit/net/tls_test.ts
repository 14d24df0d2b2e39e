import { makeCertificate } from "../../../lib/net/self_signed.ts";
import { listenTls } from "../../../lib/net/tls.ts";
import type { RawWire, Wire } from "../../../lib/net/transport.ts";
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { connect as connectNode, type TLSSocket } from "node:tls";
import fc from "fast-check";
import { chunks, joined } from "../../support/chunks.ts";
import { collectGarbage, descriptors } from "../../support/own_process.ts";
import { inTime, NET, PROC, PROGRAM, succeeds } from "../../support/program.ts";

const HOST = "127.0.0.1";
const NOTHING = new Uint8Array(0);
const KIB = 1024;
const MIB = 1024 * KIB;
/** More than the kernel holds of a connection on both sides. */
const BEYOND_KERNEL = 48 * MIB;
/** Turns of the event loop that prove that the kernel held nothing. */
const TURNS = 62;

/** What a wire says that has been closed. */
const CLOSED = /^(Interrupted|BadResource)/;

const pair = makeCertificate([]);

const OPENSSL = PROGRAM && await succeeds("openssl", "version");
if (PROGRAM && !OPENSSL) {
  console.log("Tests against openssl are ignored: it is not installed.");
}

/** A listener, and what its tests do with it. */
class Listening {
  readonly #listener: ReturnType<typeof listenTls>;
  readonly #raw: RawWire[] = [];

  constructor(alpn: string[] = []) {
    this.#listener = listenTls({
      host: HOST,
      port: 0,
      backlog: 200,
      alpn,
      ...pair,
    });
  }

  get port(): number {
    return (this.#listener.addr as Deno.NetAddr).port;
  }

  /** The next connection, before its handshake. */
  async accept(): Promise<RawWire & Required<Pick<RawWire, "handshake">>> {
    const raw = await this.#listener.accept();
    this.#raw.push(raw);
    return raw as Awaited<ReturnType<Listening["accept"]>>;
  }

  /** The next connection, after its handshake. */
  async secured(): Promise<Wire> {
    return await (await this.accept()).handshake(NOTHING);
  }

  /** A wire, and Deno's client at its other end. */
  async connected(): Promise<[Wire, Deno.TlsConn]> {
    const client = async () => {
      const conn = await Deno.connectTls({
        port: this.port,
        caCerts: [pair.cert],
      });
      await conn.handshake();
      return conn;
    };
    return await Promise.all([this.secured(), client()]);
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    this.#raw.forEach((raw) => raw.close());
  }
}

/** Whatever comes goes back, through a buffer of so many bytes. */
async function echo(wire: Wire, size = 16 * KIB): Promise<void> {
  const into = new Uint8Array(size);
  for (;;) {
    const count = await wire.read(into);
    if (count === null) break;
    await writeAll(wire, into.subarray(0, count));
  }
  await wire.closeWrite();
}

async function writeAll(
  to: Pick<Wire, "write">,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await to.write(bytes.subarray(at));
}

async function readAll(
  from: { read(into: Uint8Array): Promise<number | null> },
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const into = new Uint8Array(64 * KIB);
  for (;;) {
    const count = await from.read(into);
    if (count === null) return joined(parts);
    parts.push(into.slice(0, count));
  }
}

/** Writes, until it has been stuck for many turns of the event loop. */
async function writeUntilStuck(to: Pick<Wire, "write">): Promise<number> {
  let written = 0;
  let stuck = false;
  const block = new Uint8Array(64 * KIB);
  const writing = (async () => {
    while (!stuck && written < BEYOND_KERNEL) written += await to.write(block);
  })();
  // Closing what is stuck ends this.
  writing.catch(() => {});
  for (let turns = 0, before = -1; turns < 100 * TURNS; turns++) {
    if (written !== before) turns = 0;
    before = written;
    if (written >= BEYOND_KERNEL) break;
    await turn();
  }
  stuck = true;
  return written;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function fallsTo(count: number): Promise<void> {
  while (await descriptors() > count) await turn();
}

/** A TCP client of Node, which can reset its connection. */
async function plainClient(port: number): Promise<Socket> {
  const client = connect(port, HOST);
  await new Promise((resolve) => client.once("connect", resolve));
  return client;
}

/** A client whose bytes reach the port in pieces of so many, through `far`. */
async function relayed(
  port: number,
  piece: number,
): Promise<{ client: TLSSocket; far: Deno.TcpConn; close(): Promise<void> }> {
  using listener = Deno.listen({ hostname: HOST, port: 0 });
  const [near, socket, far] = await Promise.all([
    listener.accept(),
    plainClient(listener.addr.port),
    Deno.connect({ hostname: HOST, port }),
  ]);
  far.setNoDelay(true);
  const passing = Promise.all([pass(near, far, piece), pass(far, near)]);
  const client = connectNode({ socket, rejectUnauthorized: false });
  const close = async () => {
    await closed(client);
    await closed(socket);
    await passing;
    near.close();
    far.close();
  };
  return { client, far, close };
}

async function pass(
  from: Deno.TcpConn,
  to: Deno.TcpConn,
  piece = Infinity,
): Promise<void> {
  const into = new Uint8Array(64 * KIB);
  try {
    for (;;) {
      const count = await from.read(into) ?? 0;
      if (count === 0) break;
      for (let at = 0; at < count; at += piece) {
        await writeAll(to, into.subarray(at, Math.min(count, at + piece)));
      }
    }
    await to.closeWrite();
  } catch {
    // One of the ends has reset its connection.
  }
}

async function closed(client: Socket): Promise<void> {
  if (client.closed) return;
  const closing = new Promise((resolve) => client.once("close", resolve));
  client.destroy();
  await closing;
}

/** A test with a listener, which fails if it takes too long. */
function tlsTest(
  name: string,
  fn: (listening: Listening) => void | Promise<void>,
  { alpn = [], ignore = !NET }: { alpn?: string[]; ignore?: boolean } = {},
): void {
  Deno.test({
    name,
    ignore,
    async fn() {
      using listening = new Listening(alpn);
      await inTime("the test to end", Promise.resolve(fn(listening)));
    },
  });
}

tlsTest("TLS gives back any bytes, however they are cut", async (listening) => {
  const sizes = fc.integer({ min: 500, max: 70_000 });
  await fc.assert(
    fc.asyncProperty(chunks, sizes, async (parts, size) => {
      const [wire, client] = await listening.connected();
      const send = async () => {
        for (const part of parts) await writeAll(client, part);
        await client.closeWrite();
      };
      const [back] = await Promise.all([
        readAll(client),
        send(),
        echo(wire, size),
      ]);
      client.close();
      assert.deepEqual(back, joined(parts));
    }),
    { numRuns: 25 },
  );
});

tlsTest(
  "TLS records may come byte by byte, and lines longer than a record",
  async (listening) => {
    const { client, close } = await relayed(listening.port, 1);
    const wire = await listening.secured();
    const sent = new Uint8Array(20 * KIB).map((_, at) => at % 251);
    const echoing = echo(wire);
    client.end(sent);
    assert.deepEqual(new Uint8Array(await buffer(client)), sent);
    await echoing;
    await close();
  },
);

tlsTest(
  "What is written to a TLS wire goes out in order, also while it is stuck",
  async (listening) => {
    const [wire, client] = await listening.connected();
    const parts = Array.from(
      { length: 300 },
      (_, at) => new Uint8Array(64 * KIB).fill(at),
    );
    const written = Promise.all(parts.map((part) => wire.write(part)));
    const finished = wire.closeWrite();
    assert.deepEqual(await readAll(client), joined(parts));
    await Promise.all([written, finished]);
    client.close();
  },
);

tlsTest(
  "A record that was tampered with is answered by an alert, and fails the read",
  async (listening) => {
    const { client, far, close } = await relayed(listening.port, 64 * KIB);
    const failed = new Promise<Error>((resolve) =>
      client.once("error", resolve)
    );
    const wire = await listening.secured();
    await new Promise((resolve) => client.write("whole", resolve));
    const into = new Uint8Array(9);
    assert.equal(await wire.read(into), 5);
    await writeAll(far, Uint8Array.of(23, 3, 3, 0, 20, ...new Uint8Array(20)));
    const broken = /^ConnectionReset: The client broke TLS: /;
    await assert.rejects(wire.read(into), broken);
    await assert.rejects(wire.write(bytes("late")), broken);
    assert.match(String(await failed), /alert|mac/i);
    wire.close();
    await close();
  },
);

tlsTest(
  "A TLS client that has said close_notify still gets what is held",
  async (listening) => {
    const [wire, client] = await listening.connected();
    await writeAll(client, bytes("first"));
    await client.closeWrite();
    assert.deepEqual(await readAll(wire), bytes("first"));
    await writeAll(wire, bytes("tail"));
    await wire.closeWrite();
    // Deno's client throws if there is a FIN, but no close_notify before it.
    assert.deepEqual(await readAll(client), bytes("tail"));
    client.close();
  },
);

tlsTest("A TLS wire is read on after our FIN", async (listening) => {
  const [wire, client] = await listening.connected();
  await wire.closeWrite();
  assert.deepEqual(await readAll(client), NOTHING);
  await writeAll(client, bytes("late"));
  const into = new Uint8Array(9);
  assert.equal(await wire.read(into), 4);
  await client.closeWrite();
  assert.equal(await wire.read(into), null);
  assert.equal(await wire.read(into), null);
  client.close();
});

tlsTest(
  "A TLS client that sends FIN without close_notify has ended its input",
  async (listening) => {
    const socket = await plainClient(listening.port);
    const client = connectNode({ socket, rejectUnauthorized: false });
    const got: Uint8Array[] = [];
    client.on("data", (part) => got.push(part));
    const ended = new Promise((resolve) => client.once("end", resolve));
    const wire = await listening.secured();
    await new Promise((resolve) => client.write("first", resolve));
    socket.end();
    assert.deepEqual(await readAll(wire), bytes("first"));
    await writeAll(wire, bytes("tail"));
    await wire.closeWrite();
    await ended;
    assert.deepEqual(joined(got), bytes("tail"));
    await closed(client);
    await closed(socket);
  },
);

tlsTest(
  "A TLS client that renegotiates is refused at once",
  async (listening) => {
    const child = new Deno.Command("openssl", {
      args: ["s_client", "-tls1_2", "-connect", `${HOST}:${listening.port}`],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const ended = child.output();
    const writer = child.stdin.getWriter();
    const wire = await listening.secured();
    await writer.write(bytes("R\n"));
    await assert.rejects(
      wire.read(new Uint8Array(9)),
      /^ConnectionReset: The client broke TLS: /,
    );
    const { success, stderr } = await ended;
    await writer.abort();
    assert.ok(!success);
    assert.match(new TextDecoder().decode(stderr), /no renegotiation/);
  },
  { ignore: !OPENSSL },
);

tlsTest(
  "openssl's client is echoed, and has ended its input when it is killed",
  async (listening) => {
    const child = new Deno.Command("openssl", {
      args: ["s_client", "-quiet", "-connect", `${HOST}:${listening.port}`],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const writer = child.stdin.getWriter();
    const reader = child.stdout.getReader();
    const echoing = listening.secured().then((wire) => echo(wire));
    await writer.write(bytes("hello\n"));
    assert.deepEqual((await reader.read()).value, bytes("hello\n"));
    child.kill("SIGKILL");
    await echoing;
    await child.status;
    await reader.cancel();
    await writer.abort();
  },
  { ignore: !OPENSSL },
);

tlsTest(
  "TLS agrees on the first protocol of ours that the client has",
  async (listening) => {
    const handshake = listening.secured();
    const client = await Deno.connectTls({
      port: listening.port,
      caCerts: [pair.cert],
      alpnProtocols: ["other", "echo/1"],
    });
    assert.equal((await client.handshake()).alpnProtocol, "echo/1");
    await handshake;
    client.close();
  },
  { alpn: ["echo", "echo/1"] },
);

tlsTest("A TLS handshake fails if no protocol is shared", async (listening) => {
  const raw = await Promise.all([
    listening.accept(),
    Deno.connectTls({
      port: listening.port,
      caCerts: [pair.cert],
      alpnProtocols: ["other"],
    }),
  ]);
  const [wire, client] = raw;
  await Promise.all([
    assert.rejects(wire.handshake(NOTHING), /protocol/),
    assert.rejects(client.handshake()),
  ]);
  client.close();
}, { alpn: ["echo"] });

for (const ahead of ["", "GET / HTTP/1.1\r\n\r\n"]) {
  tlsTest(
    "A TLS handshake fails with a client that speaks HTTP" +
      (ahead && ", also if that has been read already"),
    async (listening) => {
      using client = await Deno.connect({ port: listening.port });
      const wire = await listening.accept();
      if (!ahead) await writeAll(client, bytes("GET / HTTP/1.1\r\n\r\n"));
      await assert.rejects(wire.handshake(bytes(ahead)), {
        code: "ERR_SSL_WRONG_VERSION_NUMBER",
      });
      wire.close();
      const [alert] = await readAll(client);
      assert.equal(alert, 21);
    },
  );
}

tlsTest(
  "A TLS client whose message never ends does not fill the memory",
  async (listening) => {
    for (const size of [1, 16_000]) {
      using client = await Deno.connect({ port: listening.port });
      const wire = await listening.accept();
      const handshake = assert.rejects(
        wire.handshake(NOTHING),
        /^ConnectionReset: The client broke TLS: a message without end$/,
      );
      // A hello of 65,535 bytes, for which the engine has no room.
      const hello = Uint8Array.of(22, 3, 1, 0, 6, 1, 0, 255, 255, 3, 3);
      const record = new Uint8Array(5 + size);
      record.set([22, 3, 1, size >> 8, size & 255]);
      const records = Array<Uint8Array>(Math.ceil(MIB / size)).fill(record);
      const sent = writeAll(client, joined([hello, ...records]));
      await handshake;
      wire.close();
      await sent.catch(() => {});
    }
  },
);

for (
  const [leaves, leave] of [
    ["sends FIN", (client: Socket) => client.end()],
    ["resets", (client: Socket) => client.resetAndDestroy()],
  ] as const
) {
  tlsTest(
    `A TLS handshake fails with a client that ${leaves} in the middle`,
    async (listening) => {
      const client = await plainClient(listening.port);
      const wire = await listening.accept();
      const handshake = wire.handshake(NOTHING);
      const beginning = Uint8Array.of(22, 3, 1, 2, 0, 1, 0);
      await new Promise((resolve) => client.write(beginning, resolve));
      leave(client);
      await assert.rejects(handshake, { code: "ECONNRESET" });
      await closed(client);
    },
  );
}

tlsTest(
  "Closing a TLS wire ends a handshake, a read and a write under way",
  async (listening) => {
    using _silent = await Deno.connect({ port: listening.port });
    const raw = await listening.accept();
    const handshake = assert.rejects(raw.handshake(NOTHING), CLOSED);
    raw.close();
    raw.close();
    await handshake;
    await assert.rejects(raw.handshake(NOTHING), CLOSED);

    const [wire, client] = await listening.connected();
    const reading = assert.rejects(wire.read(new Uint8Array(1)), CLOSED);
    const large = new Uint8Array(BEYOND_KERNEL);
    const writing = assert.rejects(writeAll(wire, large), CLOSED);
    wire.close();
    await Promise.all([reading, writing]);
    await assert.rejects(wire.read(new Uint8Array(1)), CLOSED);
    await assert.rejects(wire.write(bytes("late")), CLOSED);
    await assert.rejects(wire.closeWrite(), CLOSED);
    client.close();
  },
);

tlsTest(
  "A reset by a TLS client is an error, and no end of input",
  async (listening) => {
    const socket = await plainClient(listening.port);
    const client = connectNode({ socket, rejectUnauthorized: false });
    client.on("error", () => {});
    const secure = new Promise((resolve) =>
      client.once("secureConnect", resolve)
    );
    const wire = await listening.secured();
    await secure;
    socket.resetAndDestroy();
    await assert.rejects(wire.read(new Uint8Array(1)), {
      name: "ConnectionReset",
      code: "ECONNRESET",
    });
    await assert.rejects(wire.write(bytes("late")), { code: "EPIPE" });
    await closed(client);
  },
);

tlsTest(
  "A TLS wire that is not read takes no more than the kernel holds",
  async (listening) => {
    const [wire, client] = await listening.connected();
    const sent = await writeUntilStuck(client);
    assert.ok(sent < BEYOND_KERNEL, `${sent} bytes were taken`);
    const into = new Uint8Array(64 * KIB);
    for (let got = 0; got < sent;) got += (await wire.read(into))!;
    client.close();
  },
);

tlsTest(
  "Writing to a TLS client that does not read gets stuck",
  async (listening) => {
    const [wire, client] = await listening.connected();
    const sent = await writeUntilStuck(wire);
    assert.ok(sent < BEYOND_KERNEL, `${sent} bytes were written`);
    wire.close();
    client.close();
  },
);

tlsTest(
  "Closed TLS wires free their descriptors, whatever their clients do",
  async (listening) => {
    const wires: Wire[] = [];
    const clients: Deno.Conn[] = [];
    for (let i = 0; i < 100; i++) {
      clients.push(await Deno.connect({ port: listening.port }));
      const raw = await listening.accept();
      raw.handshake(NOTHING).catch(() => {});
      wires.push(raw);
    }
    for (let i = 0; i < 20; i++) {
      const [wire, client] = await listening.connected();
      await writeUntilStuck(wire);
      clients.push(client);
      wires.push(wire);
    }
    const before = await descriptors();
    wires.forEach((wire) => wire.close());
    await fallsTo(before - wires.length);
    clients.forEach((client) => client.close());
  },
  { ignore: !PROC },
);

tlsTest("A TLS wire that was closed is garbage", async () => {
  const listener = listenTls({ host: HOST, port: 0, backlog: 1, ...pair });
  const { port } = listener.addr as Deno.NetAddr;
  const wire = await (async () => {
    const [raw, client] = await Promise.all([
      listener.accept(),
      Deno.connectTls({ port, caCerts: [pair.cert] }),
    ]);
    const [wire] = await Promise.all([
      raw.handshake!(NOTHING),
      client.handshake(),
    ]);
    raw.close();
    client.close();
    return new WeakRef(wire);
  })();
  listener.close();
  while (wire.deref()) {
    await turn();
    collectGarbage();
  }
});

tlsTest(
  "What came before the TLS handshake can be read, and given back",
  async (listening) => {
    for (const length of [1, 5, 6, 100, 4096]) {
      const client = await plainClient(listening.port);
      client.write("HEADER\n");
      const secure = connectNode({ socket: client, rejectUnauthorized: false });
      const raw = await listening.accept();
      const header = new Uint8Array(7);
      await raw.read(header);
      assert.deepEqual(header, bytes("HEADER\n"));
      const ahead = new Uint8Array(length);
      const count = (await raw.read(ahead))!;
      const wire = await raw.handshake(ahead.subarray(0, count));
      const echoing = echo(wire);
      secure.write("payload");
      const [back] = await new Promise<Uint8Array[]>((resolve) =>
        secure.once("data", (...parts) => resolve(parts))
      );
      assert.deepEqual(new Uint8Array(back!), bytes("payload"));
      secure.end();
      await echoing;
      await closed(secure);
      await closed(client);
    }
  },
);

tlsTest(
  "A TLS read is answered within the turns that prove silence",
  async (listening) => {
    const socket = await plainClient(listening.port);
    const client = connectNode({ socket, rejectUnauthorized: false });
    const secure = new Promise((resolve) =>
      client.once("secureConnect", resolve)
    );
    const wire = await listening.secured();
    await secure;
    // Else Nagle's algorithm holds lines back at the client.
    client.setNoDelay(true);
    for (let i = 0; i < 50; i++) {
      const reading = wire.read(new Uint8Array(9));
      let answered = false;
      reading.then(() => answered = true, () => {});
      // Node's client calls back once the kernel has the bytes.
      await new Promise((resolve) => client.write("line\n", resolve));
      let turns = 0;
      for (; !answered && turns <= TURNS; turns++) await turn();
      assert.ok(turns <= TURNS, `not answered in ${turns} turns`);
      assert.equal(await reading, 5);
    }
    await closed(client);
    await closed(socket);
  },
);

tlsTest("A certificate of no use is found before listening", () => {
  const unusable = { ...pair, cert: "words" };
  assert.throws(
    () => listenTls({ host: HOST, port: 0, backlog: 1, ...unusable }),
    /^InvalidData: Cannot use the certificate: it is no PEM certificate$/,
  );
});

tlsTest("A taken port is named by the TLS listener", (listening) => {
  const { port } = listening;
  assert.throws(() => listenTls({ host: HOST, port, backlog: 1, ...pair }), {
    name: "AddrInUse",
    message:
      `Cannot listen on tls://${HOST}:${port}: the port is already in use`,
  });
});
