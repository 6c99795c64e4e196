import type { CodexClient, Skill } from '../../codex/codex-client.ts';
import { AppError } from '../../errors.ts';

/** Precedence of skills with the same name: a repository cannot replace a skill. */
const SCOPES = ['admin', 'user', 'system', 'repo'];
const NAMED_IN_ERROR = 50;
const NAME_LENGTH = 100;

/** Returns the skills that a turn must use. Throws `skill_not_found` if one does not exist. */
export async function chooseSkills(
  codex: Pick<CodexClient, 'listSkills'>,
  cwd: string,
  names: readonly string[] = [],
): Promise<Skill[]> {
  if (names.length === 0) return [];
  const known = await codex.listSkills(cwd);
  known.sort((a, b) => SCOPES.indexOf(a.scope) - SCOPES.indexOf(b.scope));
  return names.map((name) => {
    const found = known.find((skill) => skill.name === name);
    if (found) return found;
    throw unknownSkill(name, known);
  });
}

function unknownSkill(name: string, known: readonly Skill[]): AppError {
  const names = known.slice(0, NAMED_IN_ERROR).map((skill) => skill.name.slice(0, NAME_LENGTH));
  return new AppError(
    'skill_not_found',
    `This agent has no skill "${name}"; it has: ${names.join(', ') || 'none'}.`,
    { data: { skills: names } },
  );
}
