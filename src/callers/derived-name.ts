import { randomBytes } from 'node:crypto';

/** What `agentIdSchema` allows. */
const NAME_LENGTH = 64;

/** A new name for an agent that is made from another one, such as `app-fork-1f2e3d4c`. */
export function derivedName(name: string, origin: 'fork' | 'restored'): string {
  const suffix = `-${origin}-${randomBytes(4).toString('hex')}`;
  const [own = ''] = name.split('@');
  return `${own.slice(0, NAME_LENGTH - suffix.length)}${suffix}`;
}
