/**
 * What the program gives up once it serves.
 *
 * @module
 */

/**
 * Gives up the permission to read and write files, so that whoever takes the
 * program over can do neither. Only the executable does: under `deno run` a
 * worker that is started again must read its code.
 */
export async function giveUpFiles(
  standalone: boolean = Deno.build.standalone,
): Promise<void> {
  if (!standalone) return;
  await Deno.permissions.revoke({ name: "read" });
  await Deno.permissions.revoke({ name: "write" });
}
