import { randomBytes } from 'node:crypto';
import type { AgentName } from '../identity/agent-id.ts';
import { OF } from './ownership.ts';

/** What `ownNameSchema` allows. */
const NAME_LENGTH = 64;

/** A new name for an agent that is made from another one, such as `app-fork-1f2e3d4c`. */
export function derivedName(name: AgentName, origin: 'fork' | 'restored'): AgentName {
  const suffix = `-${origin}-${randomBytes(4).toString('hex')}`;
  const [own = ''] = name.split(OF);
  return `${own.slice(0, NAME_LENGTH - suffix.length)}${suffix}`;
}
