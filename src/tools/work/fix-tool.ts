import { z } from 'zod';
import type { Access } from '../../callers/access.ts';
import { AppError } from '../../errors.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { WRITING } from '../annotations.ts';
import type { Tool } from '../tool.ts';
import { changeOutput, changeResult, changing } from './changed-files.ts';
import { checkInput, checkSection, requireCheckCommand } from './check.ts';
import { contextFiles, contextInput, contextSection } from './context-files.ts';
import { fixAnswer } from './output-schemas.ts';
import { listInput, section } from './prompt.ts';
import { workTool } from './work.ts';

const args = z.object({
  failing_tests: listInput('Tests that fail.'),
  error_output: z.string().optional().describe('What was printed.'),
  context_files: contextFiles,
  symptoms: listInput('What goes wrong, in words.'),
  ...checkInput,
});

const SIGNS = ['failing_tests', 'error_output', 'symptoms'] as const;

export const fixKind: TurnKind<typeof args, typeof fixAnswer> = {
  ...changing,
  name: 'fix',
  args,
  prompt: ({ failing_tests, error_output, symptoms, context_files, ...check }) =>
    `Find the cause of the following problem and mend it in the workspace. Edit the files themselves.${section(
      'Failing tests',
      failing_tests,
    )}${section('Output', error_output)}${section('Symptoms', symptoms)}${contextSection(context_files)}${checkSection(check)}`,
  answer: fixAnswer,
  result: (answer, files, { check }) => ({ ...answer, ...changeResult(answer, files, check) }),
};

/** Has the agent find out what is wrong and mend it in its workspace. */
export function fixTool(access: Access): Tool {
  return workTool(access, fixKind, {
    title: 'Fix a problem',
    description:
      "Codex finds the cause of failing tests, errors or symptoms and mends it in the agent's workspace. Give at least one of the three. The result holds the true diff of every changed file.",
    annotations: WRITING,
    output: z.object({ ...fixAnswer.shape, ...changeOutput }),
    asks: {
      input: { ...args.shape, ...contextInput },
      request(own) {
        requireSign(own);
        requireCheckCommand(own);
        return { args: own };
      },
    },
  });
}

function requireSign(input: Record<string, unknown>): void {
  const given = SIGNS.map((name) => input[name]);
  if (given.some((value) => (Array.isArray(value) ? value.length > 0 : value !== undefined)))
    return;
  throw new AppError('invalid_input', `fix was called wrongly: give one of ${SIGNS.join(', ')}`, {
    data: { issues: SIGNS.map((field) => ({ field, problem: 'one of these is needed' })) },
  });
}
