import dns from 'node:dns/promises';

const TRY_MS = 2_000;
const TRIES = 3;

/**
 * Asks the name servers of this machine, or others, for all addresses of a name; throws if it has
 * none. Not as the system resolves names: that takes one of a few threads until the answer comes,
 * and slow name servers of an agent's choice would keep others, the model's connections too, waiting.
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
