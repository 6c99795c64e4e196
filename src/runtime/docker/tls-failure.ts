/** By codes of Node and alerts of OpenSSL, which versions spell differently. */
const REASONS: readonly [RegExp, string][] = [
  [/^CERT_HAS_EXPIRED/, 'its certificate has expired.'],
  [/^CERT_NOT_YET_VALID/, 'its certificate is not valid yet.'],
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER_CERT|VERIFY_LEAF_SIGNATURE))/,
    'its certificate is not signed by ca.pem of DOCKER_CERT_PATH.',
  ],
  [/^ERR_TLS_CERT_ALTNAME_INVALID/, 'its certificate is not valid for the host of DOCKER_HOST.'],
  [
    /alert.(certificate.required|handshake.failure)/i,
    'it requires a client certificate: set DOCKER_CERT_PATH.',
  ],
  [/alert.certificate.expired/i, 'the certificate in cert.pem of DOCKER_CERT_PATH has expired.'],
  [
    /alert.(bad.certificate|unknown.ca|certificate.unknown|unsupported.certificate)/i,
    'it rejects the certificate in cert.pem of DOCKER_CERT_PATH.',
  ],
  [/wrong.version.number|packet.length.too.long/i, 'it does not use TLS on this port.'],
  [/^(ERR_(SSL|TLS|OSSL)_|EPROTO )/, 'the TLS handshake failed.'],
];

/** The reason for a failed TLS connection; undefined for other errors. */
export function tlsFailure(code: string, message: string): string | undefined {
  const reason = REASONS.find(([pattern]) => pattern.test(`${code} ${message}`))?.[1];
  return reason && `The Docker engine cannot be reached: ${reason}`;
}
