/**
 * Hints that are shown with the errors of a probe.
 *
 * @module
 */

const HINTS: readonly (readonly [error: RegExp, hint: string])[] = [
  [/a greeting came in place of/, "try --greeting"],
  [/no greeting within/, "was the server started with --greeting?"],
  [/before any answer$/, "it may refuse this address, or expect TLS (tls://)"],
  [/no TLS handshake within/, "is TLS spoken there?"],
  [/certificate is not trusted/, "use --ca-cert or --fingerprint"],
];

/** The error with a hint, if there is one for it. */
export function withHint(error: string): string {
  const [, hint] = HINTS.find(([pattern]) => pattern.test(error)) ?? [];
  return hint === undefined ? error : `${error} (${hint})`;
}
