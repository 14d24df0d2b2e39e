/**
 * Waiting: for an abort, for a while, for a turn of the event loop.
 *
 * @module
 */

/** Settles when `signal` aborts. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/**
 * Settles as `promise` does, or resolves when `signal` aborts before that. What
 * `promise` rejects with afterwards is ignored.
 */
export function untilSettledOrAborted(
  promise: Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      signal.removeEventListener("abort", end);
      resolve();
    };
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", end);
    promise.then(end, (error) => {
      signal.removeEventListener("abort", end);
      reject(error);
    });
  });
}

/**
 * Settles as `promise` does, or resolves when so many milliseconds have passed
 * before that.
 */
export async function untilSettledOrLate(
  promise: Promise<unknown>,
  milliseconds: number,
): Promise<void> {
  const settled = new AbortController();
  try {
    await Promise.race([promise, pause(milliseconds, settled.signal)]);
  } finally {
    settled.abort();
  }
}

/** Waits, but not beyond the abort of `signal`. */
export function pause(
  milliseconds: number,
  signal?: AbortSignal,
): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end);
  });
}

/** Waits for a turn of the event loop, in which every socket is served once. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * A promise to be settled later. Whoever awaits it sees a rejection; that
 * nobody does must not end the process.
 */
export function deferred<T>(): PromiseWithResolvers<T> {
  const deferred = Promise.withResolvers<T>();
  deferred.promise.catch(() => {});
  return deferred;
}
