/**
 * Load it first, and every listener fails of something that no server can know.
 *
 * @module
 */

const { listen } = Deno;

Reflect.set(Deno, "listen", (options: Deno.TcpListenOptions) => {
  const listener = listen(options);
  listener.accept = () => Promise.reject(new Error("accept is out of order"));
  return listener;
});
