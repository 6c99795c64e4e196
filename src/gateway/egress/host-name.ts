const LONGEST_NAME = 253;

/**
 * A host as it is compared and resolved: lower case, punycode, without the dot of the root, and an
 * IP address in its usual form, IPv6 without brackets. Undefined for what is none.
 */
export function normalHost(text: string): string | undefined {
  // What ends a host in a URL would make the rest of it disappear.
  if (text === '' || /[\s/?#@\\]/.test(text)) return undefined;
  const url = URL.parse(`http://${text}/`);
  return url?.port === '' && url.username === '' ? withoutDecoration(url.hostname) : undefined;
}

/** The host of a parsed URL, in the same form. */
export function hostOf(url: URL): string | undefined {
  return withoutDecoration(url.hostname);
}

function withoutDecoration(hostname: string): string | undefined {
  const bare = hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
  return bare === '' || bare.length > LONGEST_NAME ? undefined : bare;
}

/** As it stands before a port. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
