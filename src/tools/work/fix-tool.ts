import { z } from 'zod';
import type { CallerViews } from '../../callers/caller-views.ts';
import { AppError } from '../../errors.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { WRITE_TURN } from '../annotations.ts';
import { changeOutput, changeResult, writeKind } from './changed-files.ts';
import { checkInput, checkSection, requireCheckCommand } from './check.ts';
import { contextFiles, contextInput, contextSection } from './context-files.ts';
import { fixOutput } from './output-schemas.ts';
import { listInput, section } from './prompt.ts';
import { workTool } from './work.ts';

const args = z.object({
  failing_tests: listInput('Names of the failing tests.'),
  error_output: z.string().optional().describe('The printed errors and stack traces.'),
  context_files: contextFiles,
  symptoms: listInput('What goes wrong, in your words.'),
  ...checkInput,
});

const EVIDENCE = ['failing_tests', 'error_output', 'symptoms'] as const;

export const fixKind: TurnKind<typeof args, typeof fixOutput> = {
  ...writeKind,
  name: 'fix',
  args,
  prompt: ({ failing_tests, error_output, symptoms, context_files, ...check }) =>
    `Find the cause of the following problem and mend it in the workspace. Edit the files themselves.${section(
      'Failing tests',
      failing_tests,
    )}${section('Output', error_output)}${section('Symptoms', symptoms)}${contextSection(context_files)}${checkSection(check)}`,
  answer: fixOutput,
  result: (answer, files, { check }) => ({ ...answer, ...changeResult(answer, files, check) }),
};

export const fixTool = (views: CallerViews) =>
  workTool(views, fixKind, {
    title: 'Fix a problem',
    description:
      "Repairs the cause of failing tests, errors or symptoms in the agent's workspace; use it when something is broken and you can show how. Requires at least one of failing_tests, error_output and symptoms. The result holds the diff of every changed file, made by git.",
    annotations: WRITE_TURN,
    output: z.object({ ...fixOutput.shape, ...changeOutput }),
    convert: {
      input: { ...args.shape, ...contextInput },
      request(own) {
        requireEvidence(own);
        requireCheckCommand(own);
        return { args: own };
      },
    },
  });

function requireEvidence(input: Record<string, unknown>): void {
  const given = EVIDENCE.map((name) => input[name]);
  if (given.some((value) => (Array.isArray(value) ? value.length > 0 : value !== undefined)))
    return;
  throw new AppError('invalid_input', `fix: give one of ${EVIDENCE.join(', ')}`, {
    data: {
      issues: EVIDENCE.map((field) => ({ field, problem: 'at least one of these is required' })),
    },
  });
}
