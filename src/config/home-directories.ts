import os from 'node:os';

/** Where a user may keep files of Codex: `$HOME`, and `$USERPROFILE` as Windows and WSL have it. */
export function homeDirectories(): string[] {
  const { USERPROFILE: profile } = process.env;
  const homes = [os.homedir(), ...(profile ? [profile] : [])];
  return [...new Set(homes)];
}
