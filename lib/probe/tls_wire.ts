/**
 * TLS connections to what is probed. `node:tls`, as it alone lets a client trust
 * a certificate by its fingerprint, and takes a self-signed one that is a CA.
 *
 * @module
 */

import tls from "node:tls";
import { codeOf } from "../net/errors.ts";
import type { Location } from "../options/location.ts";
import { reasonOf } from "../util/text.ts";
import type { ProbeWire, Trust } from "./wire.ts";

/** The codes of OpenSSL and Node for certificates that are not trusted. */
const UNTRUSTED = /CERT|VERIFY/;

/** It is for other names, which Node says at length. */
const OTHER_NAME = "ERR_TLS_CERT_ALTNAME_INVALID";

/**
 * Opens a TLS connection.
 *
 * @param target Where to.
 * @param trust The certificate to trust; without, the system's roots.
 * @param signal Gives up.
 * @throws {Error} If the certificate is not trusted, or what `node:tls` throws.
 */
export async function connectTls(
  { host, port }: Location,
  { caCert, fingerprint }: Trust,
  signal: AbortSignal,
): Promise<ProbeWire> {
  signal.throwIfAborted();
  const socket = tls.connect({
    host,
    port,
    ...caCert !== undefined && { ca: caCert },
    rejectUnauthorized: fingerprint === undefined,
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const giveUp = () => socket.destroy(new Error("given up"));
  socket.once("secureConnect", resolve);
  socket.on("error", reject);
  socket.once("close", () => reject(new Deno.errors.ConnectionReset("closed")));
  signal.addEventListener("abort", giveUp);
  try {
    await promise;
    if (fingerprint !== undefined) checkFingerprint(socket, fingerprint);
  } catch (error) {
    socket.destroy();
    const code = codeOf(error);
    if (!UNTRUSTED.test(code)) throw error;
    const reason = code === OTHER_NAME
      ? `it does not name ${host}`
      : reasonOf(error);
    throw new Error(`the certificate is not trusted: ${reason}`);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
  socket.setNoDelay(true);
  return new TlsWire(socket);
}

/** @throws {Error} If the server's certificate has another fingerprint. */
function checkFingerprint(socket: tls.TLSSocket, wanted: string): void {
  const { fingerprint256 = "" } = socket.getPeerCertificate();
  const found = fingerprint256.replaceAll(":", "").toLowerCase();
  if (found !== wanted) {
    throw new Error(`the certificate has the fingerprint ${found}`);
  }
}

/** A TLS socket, read when its reader asks for it. */
class TlsWire implements ProbeWire {
  readonly #socket: tls.TLSSocket;
  #news = Promise.withResolvers<void>();

  constructor(socket: tls.TLSSocket) {
    this.#socket = socket;
    for (const event of ["readable", "end", "error", "close"]) {
      socket.on(event, () => this.#news.resolve());
    }
  }

  async read(into: Uint8Array): Promise<number | null> {
    const socket = this.#socket;
    for (;;) {
      const most = Math.min(into.length, socket.readableLength);
      const bytes: Uint8Array | null = socket.read(most);
      if (bytes && bytes.length > 0) {
        into.set(bytes);
        return bytes.length;
      }
      if (socket.errored) throw socket.errored;
      if (socket.readableEnded || socket.destroyed) return null;
      this.#news = Promise.withResolvers();
      await this.#news.promise;
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error) reject(error);
        else resolve(bytes.length);
      });
    });
  }

  closeWrite(): Promise<void> {
    return new Promise((resolve) => this.#socket.end(resolve));
  }

  close(): void {
    this.#socket.destroy();
  }
}
