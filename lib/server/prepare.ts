/**
 * What is made once for a server and all its threads before they listen: the
 * certificate.
 *
 * @module
 */

import type { Settings } from "../options/options.ts";

/**
 * Fills in a certificate, if one is needed, and tells of it.
 *
 * @throws {Error} If the certificate or its key cannot be used.
 */
export async function prepare(settings: Settings): Promise<Settings> {
  const { listeners, onEvent } = settings;
  const tls = listeners.filter(({ transport }) => transport === "tls");
  if (tls.length === 0) return settings;
  const { checkCertificate, factsOf, fingerprint } = await import(
    "../net/certificate.ts"
  );
  const { tlsCert, tlsKey } = settings;
  if (tlsCert && tlsKey) {
    checkCertificate(tlsCert, tlsKey);
    const facts = factsOf(tlsCert);
    onEvent({
      type: "certificate",
      fingerprint: fingerprint(tlsCert),
      ...facts,
    });
    return settings;
  }
  const { makeCertificate } = await import("../net/self_signed.ts");
  const { cert, key } = makeCertificate(tls.map(({ host }) => host));
  checkCertificate(cert, key);
  onEvent({ type: "certificate", fingerprint: fingerprint(cert) });
  return { ...settings, tlsCert: cert, tlsKey: key };
}
