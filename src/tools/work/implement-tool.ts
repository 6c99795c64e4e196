import { z } from 'zod';
import { REASONING_EFFORTS } from '../../agents/threads/thread.ts';
import type { CallerViews } from '../../callers/caller-views.ts';
import type { CandidateRequest } from '../../turns/turn.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { WRITE_TURN } from '../annotations.ts';
import { changeOutput, changeResult, codeChange, writeKind } from './changed-files.ts';
import { checkInput, checkOutput, checkSection, requireCheckCommand } from './check.ts';
import { contextFiles, contextInput, contextSection } from './context-files.ts';
import { implementOutput } from './output-schemas.ts';
import { listInput, section, textInput } from './prompt.ts';
import { workInput, workTool } from './work.ts';

const MOST_CANDIDATES = 8;

const candidateInput = z.strictObject({
  model: workInput.model,
  reasoning_effort: workInput.reasoning_effort,
});

const candidatesInput = z
  .union([
    z.number().int().min(2).max(MOST_CANDIDATES),
    z.array(candidateInput).min(2).max(MOST_CANDIDATES),
  ])
  .optional()
  .describe(
    'Has this many copies of the agent do the task in parallel, or one copy for each entry with its model and effort. The result is that of the best candidate and lists all. The agent itself is not changed until promote_candidate.',
  );

const candidateOutput = z.object({
  rank: z.number().int(),
  agent_id: z.string().describe('The copy that did the task.'),
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
  task: textInput('What to build or change.'),
  target_files: listInput('Files to create or change, relative to the workspace.'),
  context_files: contextFiles,
  requirements: listInput('What the result has to fulfil.'),
  ...checkInput,
});

export const implementKind: TurnKind<typeof args, typeof implementOutput> = {
  ...writeKind,
  name: 'implement',
  args,
  prompt: ({ task, target_files, context_files, requirements, ...check }) =>
    `Implement the following task in the workspace. Edit the files themselves.${section(
      'Task',
      task,
    )}${section('Files to create or change', target_files)}${contextSection(context_files)}${section('Requirements', requirements)}${checkSection(check)}`,
  answer: implementOutput,
  result: (answer, files, { check }) => ({ ...answer, ...changeResult(answer, files, check) }),
};

export const implementTool = (views: CallerViews) =>
  workTool(views, implementKind, {
    title: 'Implement a change',
    description:
      "Implements a task in the agent's workspace by editing files and running commands; use it for every change of code that is not a repair. The result holds the diff of every changed file, made by git.",
    annotations: WRITE_TURN,
    output: z.object({
      ...implementOutput.shape,
      ...changeOutput,
      candidates: z.array(candidateOutput).optional().describe('The best candidate first.'),
    }),
    convert: {
      input: { ...args.shape, ...contextInput, candidates: candidatesInput },
      request({ candidates, ...own }) {
        requireCheckCommand(own);
        return { args: own, candidates: candidatesOf(candidatesInput.parse(candidates)) };
      },
    },
  });

function candidatesOf(
  asked: z.output<typeof candidatesInput>,
): readonly CandidateRequest[] | undefined {
  if (typeof asked === 'number') return Array.from({ length: asked }, () => ({}));
  return asked?.map(({ model, reasoning_effort: effort }) => ({ model, effort }));
}
