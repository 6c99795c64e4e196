import type fs from 'node:fs';

/** Uid and gid of the user of agents in containers. */
const AGENT_USER = 1000;
/** To list, change and enter a directory. */
const ALL_RIGHTS = 0o7;

/** Why the user of agents can't use a directory, by its owner and mode. Lists of access are not looked at. */
export function rightsProblem({ uid, gid, mode }: Pick<fs.Stats, 'uid' | 'gid' | 'mode'>) {
  const shift = uid === AGENT_USER ? 6 : gid === AGENT_USER ? 3 : 0;
  if (((mode >> shift) & ALL_RIGHTS) === ALL_RIGHTS) return undefined;
  const octal = (mode & 0o777).toString(8);
  return (
    `agents are uid ${AGENT_USER} and may not read and write it (owner ${uid}:${gid}, mode ${octal}); ` +
    `give it, and what is in it, to uid or gid ${AGENT_USER}, as the server changes no owner`
  );
}
