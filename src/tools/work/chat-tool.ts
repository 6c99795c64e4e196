import { z } from 'zod';
import type { Access } from '../../callers/access.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { READING } from '../annotations.ts';
import type { Tool } from '../tool.ts';
import { undoneOutput } from './changed-files.ts';
import { chatAnswer } from './output-schemas.ts';
import { section, textInput } from './prompt.ts';
import { workTool } from './work.ts';

const args = z.object({
  message: textInput('What to say.'),
  context: z.string().optional().describe('What to know for the answer.'),
});

export const chatKind: TurnKind<typeof args, typeof chatAnswer> = {
  name: 'chat',
  access: () => 'read',
  args,
  prompt: ({ message, context }) =>
    `Answer the following message. Look at the workspace as far as it helps. Do not change any file.${section(
      'Message',
      message,
    )}${section('Context', context)}`,
  answer: chatAnswer,
  result: (answer, { undone }) => ({ ...answer, undone_changes: undone }),
};

/** Talks with the agent about its workspace and its work. */
export function chatTool(access: Access): Tool {
  return workTool(access, chatKind, {
    title: 'Talk with the agent',
    description:
      'Codex answers a message in the conversation of the agent, which knows its workspace and its earlier work, and suggests what to do next. Changes nothing.',
    annotations: READING,
    output: z.object({ ...chatAnswer.shape, ...undoneOutput }),
  });
}
