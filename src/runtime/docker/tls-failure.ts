/** By the codes of Node and the alerts of OpenSSL, whose versions spell them differently. */
const REASONS: readonly [RegExp, string][] = [
  [/^CERT_HAS_EXPIRED/, 'its certificate has expired.'],
  [/^CERT_NOT_YET_VALID/, 'its certificate does not hold yet.'],
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER_CERT|VERIFY_LEAF_SIGNATURE))/,
    'its certificate is not of the authority in ca.pem of DOCKER_CERT_PATH.',
  ],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID/,
    'its certificate is for another name than that of DOCKER_HOST.',
  ],
  [
    /alert.(certificate.required|handshake.failure)/i,
    'it takes no client without a certificate: set DOCKER_CERT_PATH.',
  ],
  [/alert.certificate.expired/i, 'the certificate in cert.pem of DOCKER_CERT_PATH has expired.'],
  [
    /alert.(bad.certificate|unknown.ca|certificate.unknown|unsupported.certificate)/i,
    'it does not take the certificate in cert.pem of DOCKER_CERT_PATH.',
  ],
  [/wrong.version.number|packet.length.too.long/i, 'it does not speak TLS there.'],
  [/^(ERR_(SSL|TLS|OSSL)_|EPROTO )/, 'TLS fails.'],
];

/** Why no secure connection to an engine came about; undefined if that is not the reason. */
export function tlsFailure(code: string, message: string): string | undefined {
  const reason = REASONS.find(([pattern]) => pattern.test(`${code} ${message}`))?.[1];
  return reason && `The Docker engine cannot be reached: ${reason}`;
}
