import fs from 'node:fs';
import path from 'node:path';
import type { Config } from '../../config/config.ts';
import { type Check, counted, ok, warning } from './check.ts';

const TOPIC = 'Skills';
const FOR_OTHERS = 0o4;

/** Whether agents can use the skills of SKILLS_DIR. No checks if it is not set. */
export function checkSkills({ SKILLS_DIR: directory }: Pick<Config, 'SKILLS_DIR'>): Check[] {
  if (directory === undefined) return [];
  if (!fs.existsSync(directory)) {
    const message = `${directory} is not on this machine: the machine of the engine must have it`;
    return [warning(TOPIC, message, 'Check it there.')];
  }
  const files = fs.globSync('**/SKILL.md', { cwd: directory }).sort();
  if (files.length === 0) {
    const advice = 'Give each skill a directory of its own with a SKILL.md.';
    return [warning(TOPIC, `${directory} has no skills`, advice)];
  }
  const faults = files.flatMap((file) => faultOf(path.join(directory, file)));
  return [ok(TOPIC, `${counted(files.length, 'skill')} in ${directory}`), ...faults];
}

function faultOf(file: string): Check[] {
  if (!(fs.statSync(file).mode & FOR_OTHERS)) {
    return [warning(TOPIC, `${file} is not readable by all users, and agents run as user 1000`)];
  }
  const head = /^---\r?\n([\s\S]*?)\r?\n---/.exec(fs.readFileSync(file, 'utf8'))?.[1];
  if (head !== undefined && /^description:\s*\S/m.test(head)) return [];
  const advice = 'Start it with the lines ---, name: …, description: … and ---.';
  return [warning(TOPIC, `Codex ignores ${file}: it has no description`, advice)];
}
