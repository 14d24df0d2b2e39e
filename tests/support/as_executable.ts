/**
 * Runs the command line as the executable does, which gives up its files, and
 * says in JSON what it can still do with them when it accepts its first client.
 * Then it shuts down.
 *
 * @module
 */

import type { Signals } from "../../lib/cli/signals.ts";

const shutdown = new AbortController();
const signals: Signals = {
  shutdown: shutdown.signal,
  requests: new EventTarget(),
};

Object.defineProperty(Deno, "build", {
  value: { ...Deno.build, standalone: true },
});
tryAtFirstClient();
// It may look at the platform as it is loaded.
const { run } = await import("../../lib/cli/run.ts");
Deno.exit(await run(Deno.args, signals));

/** Connects as soon as there is a listener, and tries when it is accepted. */
function tryAtFirstClient(): void {
  const listen = Deno.listen as (options: Deno.ListenOptions) => Deno.Listener;
  const watched = (options: Deno.ListenOptions) => {
    const listener = listen(options);
    const accept = listener.accept.bind(listener);
    listener.accept = async () => {
      const connection = await accept();
      console.log(JSON.stringify({ read: await read(), write: await write() }));
      shutdown.abort();
      return connection;
    };
    const { transport, port } = listener.addr as Deno.NetAddr;
    if (transport === "tcp") connectTo(port);
    return listener;
  };
  Object.assign(Deno, { listen: watched });
}

async function connectTo(port: number): Promise<void> {
  (await Deno.connect({ hostname: "127.0.0.1", port })).close();
}

async function read(): Promise<string> {
  try {
    return await Deno.readTextFile(new URL(import.meta.url));
  } catch (error) {
    return (error as Error).name;
  }
}

async function write(): Promise<string> {
  try {
    return await Deno.makeTempFile();
  } catch (error) {
    return (error as Error).name;
  }
}
