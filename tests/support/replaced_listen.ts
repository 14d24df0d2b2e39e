/**
 * What a server listens with, in other hands.
 *
 * @module
 */

type Listen = (options: Deno.TcpListenOptions) => Deno.TcpListener;

/** Takes the place of `Deno.listen` until it is disposed of. */
export class ReplacedListen implements Disposable {
  readonly #listen = Deno.listen;

  /** @param replace Makes what takes its place out of the real one. */
  constructor(replace: (listen: Listen) => Listen) {
    Reflect.set(Deno, "listen", replace(this.#listen));
  }

  [Symbol.dispose](): void {
    Reflect.set(Deno, "listen", this.#listen);
  }
}
