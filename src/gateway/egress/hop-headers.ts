/** Headers of one hop only (RFC 9110), and those that the next hop sets itself. */
const HOP_BY_HOP = new Set([
  'connection',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The raw headers to forward, name before value, without `besides`. */
export function endToEndHeaders(raw: readonly string[], ...besides: string[]): string[] {
  const pairs = raw.flatMap((name, index) =>
    index % 2 === 0 ? [[name, raw[index + 1] ?? ''] as const] : [],
  );
  const named = pairs
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((one) => one.trim().toLowerCase()));
  const stays = new Set([...HOP_BY_HOP, ...named, ...besides]);
  return pairs.flatMap(([name, value]) => (stays.has(name.toLowerCase()) ? [] : [name, value]));
}
