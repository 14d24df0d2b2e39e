/**
 * Streams that are made when somebody first asks something of them.
 *
 * @module
 */

/**
 * What stands in for an object of the platform that may never be needed.
 *
 * {@linkcode Lazy.facade} passes for the real object, before `instanceof` and
 * the platform's own checks too. (Not so when it is transferred to another
 * thread: `structuredClone` wants the real one.) Methods that a subclass names
 * in {@linkcode Lazy.own} take the place of the object's, and calling them does
 * not make it.
 */
export abstract class Lazy<T extends object> {
  /** Passes for the real object. */
  readonly facade: T = new Proxy<Lazy<T>>(this, HANDLER) as unknown as T;
  #real: T | undefined;

  /** The class of the object. */
  abstract get type(): { readonly prototype: T };

  /** Makes the object: called once, or never. */
  protected abstract make(): T;

  /** A method that takes the place of the object's, if there is one. */
  // deno-lint-ignore no-unused-vars -- subclasses name theirs
  own(key: PropertyKey): unknown {
    return undefined;
  }

  /** The real object. */
  get real(): T {
    return this.#real ??= this.make();
  }
}

const HANDLER: ProxyHandler<Lazy<object>> = {
  getPrototypeOf: (lazy) => lazy.type.prototype,
  has: (lazy, key) => Reflect.has(lazy.real, key),
  set: (lazy, key, value) => Reflect.set(lazy.real, key, value),
  get(lazy, key) {
    const own = lazy.own(key);
    if (own !== undefined) return own;
    const { real } = lazy;
    const value = Reflect.get(real, key);
    // Called on the real object, a method runs at full speed.
    return typeof value === "function" ? value.bind(real) : value;
  },
};

/** A stream as it looks while it is piped: locked. */
export function lockedReadable(): ReadableStream<Uint8Array<ArrayBuffer>> {
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>();
  stream.getReader();
  return stream;
}

/** A stream as it looks while it is piped to: locked. */
export function lockedWritable(): WritableStream<Uint8Array> {
  const stream = new WritableStream<Uint8Array>();
  stream.getWriter();
  return stream;
}
