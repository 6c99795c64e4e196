import { readFileSync } from 'node:fs';

/** A script that is passed with every exec, so that its version is the server's, whatever the image. */
export function agentScript(name: string): string {
  return readFileSync(new URL(`../../agent-image/${name}`, import.meta.url), 'utf8');
}
