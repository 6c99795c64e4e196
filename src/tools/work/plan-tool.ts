import { z } from 'zod';
import type { CallerViews } from '../../callers/caller-views.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { READ_TURN } from '../annotations.ts';
import { undoneOutput } from './changed-files.ts';
import { contextFiles, contextInput, contextSection, namedFiles } from './context-files.ts';
import { planOutput } from './output-schemas.ts';
import { listInput, section, textInput } from './prompt.ts';
import { workTool } from './work.ts';

const args = z.object({
  task: textInput('The task to plan.'),
  repo_context: z
    .string()
    .optional()
    .describe('What Codex should know of the repository and its goals.'),
  constraints: listInput('What a solution has to respect.'),
  context_files: contextFiles,
});

export const planKind: TurnKind<typeof args, typeof planOutput> = {
  name: 'plan',
  access: () => 'read',
  args,
  reads: ({ context_files }) => namedFiles(context_files),
  prompt: ({ task, repo_context, constraints, context_files }) =>
    `Plan the following task. Look at the workspace as far as it helps. Do not change any file.${section(
      'Task',
      task,
    )}${section('Context', repo_context)}${section('Constraints', constraints)}${contextSection(context_files)}`,
  answer: planOutput,
  result: (answer, { undone }) => ({ ...answer, undone_changes: undone }),
};

export const planTool = (views: CallerViews) =>
  workTool(views, planKind, {
    title: 'Plan a change',
    description:
      "Plans a task after reading the agent's workspace; use it before implement to get steps, files, decisions and risks. Codex changes no files. To carry out the plan, call implement with the same agent_id.",
    annotations: READ_TURN,
    output: z.object({ ...planOutput.shape, ...undoneOutput }),
    convert: {
      input: { ...args.shape, ...contextInput },
      request: (own) => ({ args: own }),
    },
  });
