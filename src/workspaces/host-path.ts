import fs from 'node:fs';
import path from 'node:path';

/** Uid and gid of the user of agents in containers. */
const AGENT_USER = 1000;
/** To list, change and enter a directory. */
const ALL_RIGHTS = 0o7;

/** Whether an absolute path is another one or lies below it, by their names alone. */
export function isWithin(root: string, inner: string): boolean {
  const relative = path.relative(root, inner);
  return relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}

/** Why agents can't work in what is at a path; undefined if they can. */
export function accessProblem(
  directory: string,
  { byAgentUser }: { byAgentUser: boolean },
): string | undefined {
  try {
    const stat = fs.statSync(directory);
    if (!stat.isDirectory()) return 'it is no directory';
    if (byAgentUser) return rightsProblem(stat);
    fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
    return undefined;
  } catch {
    return 'the server may not read and write it';
  }
}

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
