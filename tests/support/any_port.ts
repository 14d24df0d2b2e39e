/**
 * Load it first, and whatever port is asked for, a free one of 127.0.0.1 is
 * listened on.
 *
 * @module
 */

const { listen } = Deno;

Reflect.set(
  Deno,
  "listen",
  (options: Deno.TcpListenOptions) =>
    listen({ ...options, hostname: "127.0.0.1", port: 0 }),
);
