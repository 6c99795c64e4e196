import { z } from 'zod';
import type { Access } from '../../callers/access.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { READING } from '../annotations.ts';
import type { Tool } from '../tool.ts';
import { undoneOutput } from './changed-files.ts';
import { contextFiles, contextInput, contextSection, namedFiles } from './context-files.ts';
import { planAnswer } from './output-schemas.ts';
import { listInput, section, textInput } from './prompt.ts';
import { workTool } from './work.ts';

const args = z.object({
  task: textInput('What is to be done.'),
  repo_context: z.string().optional().describe('What to know of the repository and its aims.'),
  constraints: listInput('What a solution must keep to.'),
  context_files: contextFiles,
});

export const planKind: TurnKind<typeof args, typeof planAnswer> = {
  name: 'plan',
  access: () => 'read',
  args,
  reads: ({ context_files }) => namedFiles(context_files),
  prompt: ({ task, repo_context, constraints, context_files }) =>
    `Plan the following task. Look at the workspace as far as it helps. Do not change any file.${section(
      'Task',
      task,
    )}${section('Context', repo_context)}${section('Constraints', constraints)}${contextSection(context_files)}`,
  answer: planAnswer,
  result: (answer, { undone }) => ({ ...answer, undone_changes: undone }),
};

/** Has the agent read the workspace and say how a task should be done. */
export function planTool(access: Access): Tool {
  return workTool(access, planKind, {
    title: 'Plan a change',
    description:
      "Codex reads the agent's workspace and plans a task: steps, files, decisions, risks. Changes nothing. Follow up with implement and the same agent_id.",
    annotations: READING,
    output: z.object({ ...planAnswer.shape, ...undoneOutput }),
    asks: {
      input: { ...args.shape, ...contextInput },
      request: (own) => ({ args: own }),
    },
  });
}
