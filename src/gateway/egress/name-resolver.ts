import dns from 'node:dns/promises';

const TRY_MS = 2_000;
const TRIES = 3;

/**
 * Resolves all addresses of a name with the name servers of this machine, or others; throws if it has
 * none. It avoids getaddrinfo, which occupies one of a few threads: slow name servers that an agent
 * chooses would delay all other lookups, those of the model too.
 */
export function nameResolver(servers?: readonly string[]): (name: string) => Promise<string[]> {
  const resolver = new dns.Resolver({ timeout: TRY_MS, tries: TRIES });
  if (servers) resolver.setServers(servers);
  return async (name) => {
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const addresses = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? answer.value : [],
    );
    const [ipv4] = answers;
    if (addresses.length === 0 && ipv4.status === 'rejected') throw ipv4.reason;
    return addresses;
  };
}
