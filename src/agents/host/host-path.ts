import fs from 'node:fs';
import { rightsProblem } from './agent-rights.ts';

/** Why agents cannot use a directory; undefined if they can. */
export function accessProblem(
  directory: string,
  { byAgentUser }: { byAgentUser: boolean },
): string | undefined {
  try {
    const stat = fs.statSync(directory);
    if (!stat.isDirectory()) return 'it is not a directory';
    if (byAgentUser) return rightsProblem(stat);
    fs.accessSync(directory, fs.constants.R_OK | fs.constants.W_OK | fs.constants.X_OK);
    return undefined;
  } catch {
    return 'the server cannot read and write it';
  }
}
