import type fs from 'node:fs';

/** Uid and gid of the user of agents in containers. */
const AGENT_USER = 1000;
const ALL_RIGHTS = 0o7;

/** Why the agents' user cannot use a directory, by owner and mode; ACLs are ignored. */
export function rightsProblem({ uid, gid, mode }: Pick<fs.Stats, 'uid' | 'gid' | 'mode'>) {
  const shift = uid === AGENT_USER ? 6 : gid === AGENT_USER ? 3 : 0;
  if (((mode >> shift) & ALL_RIGHTS) === ALL_RIGHTS) return undefined;
  const octal = (mode & 0o777).toString(8);
  return (
    `the agents' uid ${AGENT_USER} cannot read and write it (owner ${uid}:${gid}, mode ${octal}); ` +
    `change the owner of the directory and its files to uid or gid ${AGENT_USER}`
  );
}
