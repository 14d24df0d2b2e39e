/**
 * Clients in a thread of their own that send as much as they can, and read what
 * comes back, until the server ends.
 *
 * @module
 */

/// <reference lib="deno.worker" />

/** What to flood, and with how many clients. */
export interface Flood {
  port: number;
  clients: number;
}

/** Lines of which few end where a read does. */
const chunk = new TextEncoder().encode(`${"x".repeat(99)}\n`.repeat(655));

self.onmessage = async ({ data }: MessageEvent<Flood>) => {
  const { port, clients } = data;
  const ready = Array.from({ length: clients }, async () => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const flooding = Promise.withResolvers<void>();
    send(connection).catch(() => {});
    receive(connection, flooding.resolve).catch(() => {});
    await flooding.promise;
  });
  await Promise.all(ready);
  self.postMessage("flooding");
};

async function send(connection: Deno.Conn): Promise<void> {
  for (;;) await connection.write(chunk);
}

async function receive(
  connection: Deno.Conn,
  flooding: () => void,
): Promise<void> {
  const buffer = new Uint8Array(256 * 1024);
  while (await connection.read(buffer) !== null) flooding();
  connection.close();
}
