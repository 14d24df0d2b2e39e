/**
 * What precedes the handler of a listener's connections. Loaded only where
 * anything does.
 *
 * @module
 */

import type { Access } from "../connection/access.ts";
import { type Admission, admit } from "../connection/admission.ts";
import { withReadAhead } from "../connection/read_ahead.ts";
import { CidrSet } from "../net/cidr.ts";
import type { RawWire } from "../net/transport.ts";
import type { ListenerSettings } from "../options/options.ts";

/**
 * Admits a connection, or refuses it.
 *
 * @param signal Gives up, whatever is under way.
 * @param onBytes Called when bytes of a PROXY header have come.
 */
export type Admit = (
  wire: RawWire,
  signal: AbortSignal,
  onBytes: () => void,
) => Promise<Admission>;

/** Makes what precedes the handler of a listener's connections. */
export function admitOf(
  { proxy }: ListenerSettings,
  access: Access | undefined,
): Admit {
  const rules = {
    access,
    proxy: proxy.length > 0 ? new CidrSet(proxy) : undefined,
  };
  return async (wire, signal, onBytes) => {
    const admission = await admit(wire, rules, signal, onBytes);
    if (!("readAhead" in admission)) return admission;
    const { readAhead } = admission;
    return { ...admission, wire: withReadAhead(admission.wire, readAhead) };
  };
}
