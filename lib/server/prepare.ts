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
  const { checkCertificate, factsOf, fingerprint, makeCertificate } =
    await import("../net/certificate.ts");
  const { tlsCert, tlsKey } = settings;
  if (tlsCert && tlsKey) {
    await checkCertificate(tlsCert, tlsKey);
    const facts = await factsOf(tlsCert);
    const hash = await fingerprint(tlsCert);
    onEvent({ type: "certificate", fingerprint: hash, ...facts });
    return settings;
  }
  const { cert, key } = await makeCertificate(tls.map(({ host }) => host));
  await checkCertificate(cert, key);
  onEvent({ type: "certificate", fingerprint: await fingerprint(cert) });
  return { ...settings, tlsCert: cert, tlsKey: key };
}
