const LONGEST_NAME = 253;

/**
 * The canonical form of a host: lower case, punycode, without a trailing dot; an IP address in its
 * usual form, IPv6 without brackets. Undefined if the text is not a host.
 */
export function normalHost(text: string): string | undefined {
  // The URL parser would drop what follows these characters.
  if (text === '' || /[\s/?#@\\]/.test(text)) return undefined;
  const url = URL.parse(`http://${text}/`);
  return url?.port === '' && url.username === '' ? withoutDecoration(url.hostname) : undefined;
}

/** The canonical host of a URL. */
export function hostOf(url: URL): string | undefined {
  return withoutDecoration(url.hostname);
}

function withoutDecoration(hostname: string): string | undefined {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
  return bare === '' || bare.length > LONGEST_NAME ? undefined : bare;
}

/** The host in the form that precedes a port. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
