import { z } from 'zod';
import { REASONING_EFFORTS } from '../../agents/threads/thread.ts';
import type { Access } from '../../callers/access.ts';
import type { CandidateRequest } from '../../turns/turn.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { WRITING } from '../annotations.ts';
import type { Tool } from '../tool.ts';
import { changeOutput, changeResult, changing, codeChange } from './changed-files.ts';
import { checkInput, checkOutput, checkSection, requireCheckCommand } from './check.ts';
import { contextFiles, contextInput, contextSection } from './context-files.ts';
import { implementAnswer } from './output-schemas.ts';
import { listInput, section, textInput } from './prompt.ts';
import { workTool } from './work.ts';

const MOST_CANDIDATES = 8;

const candidateInput = z.strictObject({
  model: z.string().min(1).max(100).optional(),
  reasoning_effort: z.enum(REASONING_EFFORTS).optional(),
});

const candidatesInput = z
  .union([
    z.number().int().min(2).max(MOST_CANDIDATES),
    z.array(candidateInput).min(2).max(MOST_CANDIDATES),
  ])
  .optional()
  .describe(
    'Has so many copies of the agent do the task side by side, or one for each entry, with its model and effort. The result is that of the best and tells of all; the agent itself is left as it is until promote_candidate takes one over.',
  );

const candidateOutput = z.object({
  rank: z.number().int(),
  agent_id: z.string().describe('The copy that did it.'),
  turn_id: z.string().optional(),
  model: z.string().optional(),
  reasoning_effort: z.enum(REASONING_EFFORTS).optional(),
  changed_lines: z.number().int().optional(),
  changes: z.array(codeChange).optional(),
  warnings: z.array(z.string()).optional(),
  ...checkOutput,
  duration_ms: z.number().int().optional(),
  cost_usd: z.number().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});

const args = z.object({
  task: textInput('What is to be built.'),
  target_files: listInput('Files to create or change, relative to the workspace.'),
  context_files: contextFiles,
  requirements: listInput('What the result must fulfil.'),
  ...checkInput,
});

export const implementKind: TurnKind<typeof args, typeof implementAnswer> = {
  ...changing,
  name: 'implement',
  args,
  prompt: ({ task, target_files, context_files, requirements, ...check }) =>
    `Implement the following task in the workspace. Edit the files themselves.${section(
      'Task',
      task,
    )}${section('Files to create or change', target_files)}${contextSection(context_files)}${section('Requirements', requirements)}${checkSection(check)}`,
  answer: implementAnswer,
  result: (answer, files, { check }) => ({ ...answer, ...changeResult(answer, files, check) }),
};

/** Has the agent change its workspace. */
export function implementTool(access: Access): Tool {
  return workTool(access, implementKind, {
    title: 'Implement a change',
    description:
      "Codex implements a task in the agent's workspace: it edits files and runs commands there. The result holds the true diff of every changed file.",
    annotations: WRITING,
    output: z.object({
      ...implementAnswer.shape,
      ...changeOutput,
      candidates: z.array(candidateOutput).optional().describe('The best first.'),
    }),
    asks: {
      input: { ...args.shape, ...contextInput, candidates: candidatesInput },
      request({ candidates, ...own }) {
        requireCheckCommand(own);
        return { args: own, candidates: candidatesOf(candidatesInput.parse(candidates)) };
      },
    },
  });
}

function candidatesOf(
  asked: z.output<typeof candidatesInput>,
): readonly CandidateRequest[] | undefined {
  if (typeof asked === 'number') return Array.from({ length: asked }, () => ({}));
  return asked?.map(({ model, reasoning_effort: effort }) => ({ model, effort }));
}
