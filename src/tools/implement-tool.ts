import { z } from 'zod';
import type { TurnKind } from '../turns/turn-kind.ts';
import type { TurnService } from '../turns/turn-service.ts';
import { implementAnswer } from './answers.ts';
import type { Tool } from './tool.ts';
import {
  codeChange,
  explainChanges,
  listInput,
  section,
  textInput,
  warningsOf,
  workTool,
  writingHints,
} from './work.ts';

const args = z.object({
  task: textInput('What is to be built.'),
  target_files: listInput('Files to create or change, relative to the workspace.'),
  context_files: listInput('Files of the workspace to read first.'),
  requirements: listInput('What the result must fulfil.'),
});

export const implementKind: TurnKind<typeof args, typeof implementAnswer> = {
  name: 'implement',
  access: () => 'write',
  args,
  prompt: ({ task, target_files, context_files, requirements }) =>
    `Implement the following task in the workspace. Edit the files themselves.${section(
      'Task',
      task,
    )}${section('Files to create or change', target_files)}${section(
      'Files to read first',
      context_files,
    )}${section('Requirements', requirements)}`,
  answer: implementAnswer,
  result: (answer, files) => ({
    ...answer,
    changes: explainChanges(files.changes, answer.changes),
    warnings: [...answer.warnings, ...warningsOf(files, answer.changes)],
  }),
};

/** Has the agent change its workspace. */
export function implementTool(turns: TurnService): Tool {
  return workTool(turns, implementKind, {
    title: 'Implement a change',
    description:
      "Codex implements a task in the agent's workspace: it edits files and runs commands there. The result holds the true diff of every changed file.",
    annotations: writingHints,
    output: z.object({ ...implementAnswer.shape, changes: z.array(codeChange) }),
  });
}
