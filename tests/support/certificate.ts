/**
 * A certificate for `localhost` and `127.0.0.1`. It guards nothing: its key is
 * here to read.
 *
 * @module
 */

import { temporaryDirectory } from "./temporary.ts";

/** The certificate, self-signed, for a hundred years. */
export const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBmDCCAT6gAwIBAgIUEVbWHy5/KcahsZASRUuBrd0L1EYwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyNTE1NDA0OVoYDzIxMjYxMTAx
MTU0MDQ5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQQug5feUOtynZFTVy+U1tYFNEXHVyWRxEYqr/ZYf9/AJ7dx+mIRG7P
Bq79L1utRclkOC0WluWRDBM8uw7wCnlYo2wwajAdBgNVHQ4EFgQUF1kYif1+b+22
xmgltmabiyLVR6owHwYDVR0jBBgwFoAUF1kYif1+b+22xmgltmabiyLVR6owGgYD
VR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMAwGA1UdEwEB/wQCMAAwCgYIKoZIzj0E
AwIDSAAwRQIgVfp51VqtJZJc12CKXOOxwz+85HMBDzC1ALkj6fUKI0wCIQCzQKjq
d4iKnKSVnj7daO58yqvOqS8r9v1poAYWqEJJdQ==
-----END CERTIFICATE-----`;

/** Its private key. */
export const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgNhYngYSirfFx/zD3
z6zPMWfwwv8l+njwod07rnr2O+uhRANCAAQQug5feUOtynZFTVy+U1tYFNEXHVyW
RxEYqr/ZYf9/AJ7dx+mIRG7PBq79L1utRclkOC0WluWRDBM8uw7wCnlY
-----END PRIVATE KEY-----`;

/** Both in files, as the command line takes them. */
export interface CertificateFiles extends AsyncDisposable {
  /** The directory that they are in. */
  directory: string;
  /** The options of the command that name them. */
  options: string[];
}

/** Writes both into files, in a directory that goes with what is returned. */
export async function certificateFiles(): Promise<CertificateFiles> {
  const made = await temporaryDirectory();
  const directory = made.path;
  const [cert, key] = [`${directory}/cert.pem`, `${directory}/key.pem`];
  await Deno.writeTextFile(cert, CERTIFICATE + "\n");
  await Deno.writeTextFile(key, KEY + "\n");
  return {
    directory,
    options: ["--tls-cert", cert, "--tls-key", key],
    [Symbol.asyncDispose]: () => made[Symbol.asyncDispose](),
  };
}
