import { z } from 'zod';
import type { Access } from '../access/access.ts';
import type { TurnKind } from '../turns/turn-kind.ts';
import { implementAnswer } from './answers.ts';
import { WRITING } from './hints.ts';
import type { Tool } from './tool.ts';
import {
  codeChange,
  explainChanges,
  listInput,
  section,
  textInput,
  warningsOf,
  workTool,
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
export function implementTool(access: Access): Tool {
  return workTool(access, implementKind, {
    title: 'Implement a change',
    description:
      "Codex implements a task in the agent's workspace: it edits files and runs commands there. The result holds the true diff of every changed file.",
    annotations: WRITING,
    output: z.object({ ...implementAnswer.shape, changes: z.array(codeChange) }),
  });
}
