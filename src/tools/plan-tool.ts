import { z } from 'zod';
import type { TurnKind } from '../turns/turn-kind.ts';
import type { TurnService } from '../turns/turn-service.ts';
import { planAnswer } from './answers.ts';
import type { Tool } from './tool.ts';
import { listInput, readingHints, section, textInput, undoneOutput, workTool } from './work.ts';

const args = z.object({
  task: textInput('What is to be done.'),
  repo_context: z.string().optional().describe('What to know of the repository and its aims.'),
  constraints: listInput('What a solution must keep to.'),
});

export const planKind: TurnKind<typeof args, typeof planAnswer> = {
  name: 'plan',
  access: () => 'read',
  args,
  prompt: ({ task, repo_context, constraints }) =>
    `Plan the following task. Look at the workspace as far as it helps. Do not change any file.${section(
      'Task',
      task,
    )}${section('Context', repo_context)}${section('Constraints', constraints)}`,
  answer: planAnswer,
  result: (answer, { undone }) => ({ ...answer, undone_changes: undone }),
};

/** Has the agent read the workspace and say how a task should be done. */
export function planTool(turns: TurnService): Tool {
  return workTool(turns, planKind, {
    title: 'Plan a change',
    description:
      "Codex reads the agent's workspace and plans a task: steps, files, decisions, risks. Changes nothing. Follow up with implement and the same agent_id.",
    annotations: readingHints,
    output: z.object({ ...planAnswer.shape, ...undoneOutput }),
  });
}
