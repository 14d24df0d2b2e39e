/**
 * A TLS echo server with a certificate of its own, for `localhost` and
 * `127.0.0.1`, that nobody trusts. It guards nothing: its key is here to read.
 *
 * @module
 */

import type net from "node:net";
import tls from "node:tls";

/** Its certificate, self-signed, for a hundred years. */
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

const KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgNhYngYSirfFx/zD3
z6zPMWfwwv8l+njwod07rnr2O+uhRANCAAQQug5feUOtynZFTVy+U1tYFNEXHVyW
RxEYqr/ZYf9/AJ7dx+mIRG7PBq79L1utRclkOC0WluWRDBM8uw7wCnlY
-----END PRIVATE KEY-----`;

/** A TLS server on a free port of 127.0.0.1. */
export class TlsEcho {
  readonly #server: tls.Server;
  readonly #sockets = new Set<tls.TLSSocket>();

  private constructor() {
    const options = { key: KEY, cert: CERTIFICATE };
    this.#server = tls.createServer(options, (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      socket.pipe(socket);
    });
    this.#server.on("tlsClientError", () => {});
  }

  /** Starts it. */
  static async start(): Promise<TlsEcho> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const made = new TlsEcho();
    made.#server.listen(0, "127.0.0.1", resolve);
    await promise;
    return made;
  }

  /** Where it listens. */
  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }
}
