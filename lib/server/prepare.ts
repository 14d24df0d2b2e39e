/**
 * What is made once for a server and all its threads before they listen: the
 * certificate, and the seeds of faults.
 *
 * @module
 */

import { listenerName } from "../net/address.ts";
import { describeFaults } from "../options/listen.ts";
import type { ListenerSettings, Settings } from "../options/options.ts";

/**
 * Fills in a certificate, if one is needed, and the seeds of faults, and tells
 * of the certificate and of the faults.
 *
 * @throws {Error} If the certificate or its key cannot be used.
 */
export async function prepare(settings: Settings): Promise<Settings> {
  return withSeeds(await withCertificate(settings));
}

async function withCertificate(settings: Settings): Promise<Settings> {
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

async function withSeeds(settings: Settings): Promise<Settings> {
  if (!settings.listeners.some(({ faults }) => faults)) return settings;
  const { drawSeed } = await import("../util/random.ts");
  const listeners = settings.listeners.map((listener) => {
    const { faults } = listener;
    if (!faults) return listener;
    const name = askedFor(listener);
    const what = describeFaults(faults);
    settings.onEvent({ type: "faults", listener: name, faults: what });
    if (faults.seed !== undefined) return listener;
    const seed = drawSeed();
    settings.onEvent({ type: "seed", listener: name, seed });
    return { ...listener, faults: { ...faults, seed } };
  });
  return { ...settings, listeners };
}

/** A listener's name before it has a port of its own. */
function askedFor({ transport, host, port, path }: ListenerSettings): string {
  const address = { hostname: host, port, ...transport === "unix" && { path } };
  return listenerName(transport, address);
}
