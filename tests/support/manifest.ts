/**
 * Checks manifests against the schemas of Kubernetes.
 *
 * @module
 */

/** The packages could not be had. */
const UNAVAILABLE = 75;

// In a process of its own, without the lock file: what checks a document is no
// dependency of the project, and an old `deno compile` would embed it.
const CHECK = `
const [{ parseAllDocuments }, apps, core] = await Promise.all([
  import("npm:yaml@2.9.1"),
  import("npm:kubernetes-models@5.1.0/apps/v1"),
  import("npm:kubernetes-models@5.1.0/v1"),
]).catch((error) => {
  console.error(error.message);
  Deno.exit(${UNAVAILABLE});
});
const kinds = { Deployment: apps.Deployment, Service: core.Service };
for (const document of parseAllDocuments(Deno.args[0])) {
  const manifest = document.toJS();
  new kinds[manifest.kind](manifest).validate();
  console.log(manifest.kind);
}
`;

/**
 * Checks a file of manifests.
 *
 * @returns Their kinds; undefined if the schemas are out of reach.
 * @throws {Error} If one does not fit its schema.
 */
export async function checkManifests(
  yaml: string,
): Promise<string[] | undefined> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--no-lock", CHECK, yaml],
  }).output();
  if (code === UNAVAILABLE) return undefined;
  if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).trim().split("\n");
}
