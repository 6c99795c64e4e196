import os from 'node:os';

/** Directories that may hold `.codex`: `$HOME`, and `$USERPROFILE` of Windows and WSL. */
export function homeDirectories(): string[] {
  const { USERPROFILE: profile } = process.env;
  const homes = [os.homedir(), ...(profile ? [profile] : [])];
  return [...new Set(homes)];
}
