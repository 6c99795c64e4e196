import { readFileSync } from 'node:fs';

/** A script that is passed along with every exec, so that it always fits the server, whatever the image is. */
export function agentScript(name: string): string {
  return readFileSync(new URL(`../../agent-image/${name}`, import.meta.url), 'utf8');
}
