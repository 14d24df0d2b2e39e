import assert from "node:assert/strict";
import { readPem } from "../../../lib/cli/pem.ts";
import { CERTIFICATE, KEY } from "../../support/certificate.ts";

const WRITE = (await Deno.permissions.query({ name: "write" })).state ===
  "granted";

/** Reads a file of that content. */
async function read(
  what: "certificate" | "key",
  content: string,
): Promise<string> {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, content);
    return await readPem(what, file);
  } catch (error) {
    return (error as Error).message.replace(file, "FILE");
  } finally {
    await Deno.remove(file);
  }
}

for (
  const [what, content, said] of [
    ["certificate", CERTIFICATE, CERTIFICATE],
    ["key", KEY, KEY],
    ["key", `${CERTIFICATE}\n${KEY}`, `${CERTIFICATE}\n${KEY}`],
    [
      "key",
      KEY.replaceAll("PRIVATE", "EC PRIVATE"),
      KEY.replaceAll("PRIVATE", "EC PRIVATE"),
    ],
    ["certificate", "", "Cannot use the certificate FILE: it is not PEM"],
    [
      "certificate",
      KEY,
      "Cannot use the certificate FILE: it holds no certificate",
    ],
    ["key", CERTIFICATE, "Cannot use the key FILE: it holds no private key"],
    [
      "key",
      KEY.replaceAll("PRIVATE", "ENCRYPTED PRIVATE"),
      "Cannot use the key FILE: it is encrypted, decrypt it first",
    ],
    [
      "key",
      KEY.replace("KEY-----\n", "KEY-----\nProc-Type: 4,ENCRYPTED\n"),
      "Cannot use the key FILE: it is encrypted, decrypt it first",
    ],
  ] as const
) {
  const short = said.startsWith("Cannot") ? said : `${what} as it is`;
  Deno.test({
    name: `readPem of ${JSON.stringify(content.slice(0, 40))}: ${short}`,
    ignore: !WRITE,
  }, async () => {
    assert.equal(await read(what, content), said);
  });
}

Deno.test({
  name: "readPem says in short that there is no file",
  ignore: !WRITE,
}, async () => {
  await assert.rejects(readPem("key", "/no/such.pem"), {
    message: "Cannot read the key /no/such.pem: No such file or directory",
  });
});
