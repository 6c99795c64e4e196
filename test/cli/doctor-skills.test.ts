import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { checkSkills } from '../../src/cli/doctor/skills-check.ts';
import { writeSkill } from '../e2e/skill-files.ts';

const told = (directory?: string) =>
  checkSkills({ SKILLS_DIR: directory }).map(({ verdict, message }) => `${verdict}: ${message}`);

test('skills that agents would not find are told', () => {
  const skills = fs.mkdtempSync(path.join(os.tmpdir(), 'skills-'));
  expect(told()).toEqual([]);
  expect(told(path.join(skills, 'nowhere'))[0]).toMatch(/^warning: .* is not on this machine/);
  expect(told(skills)).toEqual([`warning: ${skills} has no skills`]);
  writeSkill(skills, 'good', { description: 'Is good.' });
  expect(told(skills)).toEqual([`ok: 1 skill in ${skills}`]);
  writeSkill(skills, 'mute', { description: '' });
  writeSkill(skills, 'private', { description: 'Is kept.' });
  fs.chmodSync(path.join(skills, 'private/SKILL.md'), 0o600);
  fs.mkdirSync(path.join(skills, 'bare'));
  fs.writeFileSync(path.join(skills, 'bare/SKILL.md'), 'Do it.');
  expect(told(skills)).toEqual([
    `ok: 4 skills in ${skills}`,
    `warning: Codex ignores ${skills}/bare/SKILL.md: it has no description`,
    `warning: Codex ignores ${skills}/mute/SKILL.md: it has no description`,
    `warning: ${skills}/private/SKILL.md is not readable by all users, and agents run as user 1000`,
  ]);
  fs.rmSync(skills, { recursive: true });
});
