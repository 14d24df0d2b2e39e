/**
 * An object that is made when something is first asked of it, for example a
 * stream that may never be needed.
 *
 * It passes for the real one, before `instanceof` and the platform's own checks
 * too.
 *
 * @param type The class of the object.
 * @param make Makes the object: called once, or never.
 * @param own Members that take the place of the object's; asking for them does
 * not make it.
 */
export function lazy<T extends object>(
  type: { prototype: T },
  make: () => T,
  own: (real: () => T) => Partial<T> = () => ({}),
): T {
  let made: T | undefined;
  const real = () => made ??= make();
  return new Proxy(own(real) as T, {
    getPrototypeOf: () => type.prototype,
    has: (_, key) => Reflect.has(real(), key),
    set: (_, key, value) => Reflect.set(real(), key, value),
    get(own, key) {
      if (Object.hasOwn(own, key)) return own[key as keyof T];
      const value = Reflect.get(real(), key);
      // Called on the real object, a method runs at full speed.
      return typeof value === "function" ? value.bind(real()) : value;
    },
  });
}
