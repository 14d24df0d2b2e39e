/** Settles when `signal` aborts. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
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

/** Waits for the event loop to go round, in which every socket has its turn. */
export function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * A promise to be settled later. Whoever awaits it sees a rejection; that
 * nobody does must not end the process.
 */
export function outcome<T>(): PromiseWithResolvers<T> {
  const outcome = Promise.withResolvers<T>();
  outcome.promise.catch(() => {});
  return outcome;
}
