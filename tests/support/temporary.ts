/**
 * Files for a test.
 *
 * @module
 */

/** A directory that goes with what is returned. */
export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
}

/** Makes one. */
export async function temporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await Deno.makeTempDir();
  return {
    path,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}
