/**
 * Clients in a thread of their own that send as much as they can, and read what
 * comes back, until the server ends.
 *
 * @module
 */

/// <reference lib="deno.worker" />

const FLOODERS = 60;
const chunk = new Uint8Array(64 * 1024).fill(0x0a);

self.onmessage = async ({ data: port }: MessageEvent<number>) => {
  const ready = Array.from({ length: FLOODERS }, async () => {
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
