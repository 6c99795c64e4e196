import { z } from 'zod';
import type { CallerViews } from '../../callers/caller-views.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { READ_TURN } from '../annotations.ts';
import { undoneOutput } from './changed-files.ts';
import { chatOutput } from './output-schemas.ts';
import { section, textInput } from './prompt.ts';
import { workTool } from './work.ts';

const args = z.object({
  message: textInput('The message to Codex.'),
  context: z.string().optional().describe('What Codex should know for its answer.'),
});

export const chatKind: TurnKind<typeof args, typeof chatOutput> = {
  name: 'chat',
  access: () => 'read',
  args,
  prompt: ({ message, context }) =>
    `Answer the following message. Look at the workspace as far as it helps. Do not change any file.${section(
      'Message',
      message,
    )}${section('Context', context)}`,
  answer: chatOutput,
  result: (answer, { undone }) => ({ ...answer, undone_changes: undone }),
};

export const chatTool = (views: CallerViews) =>
  workTool(views, chatKind, {
    title: 'Talk with the agent',
    description:
      'Answers a message in the conversation of the agent and suggests next steps; use it to ask about the workspace or about earlier work. Codex changes no files.',
    annotations: READ_TURN,
    output: z.object({ ...chatOutput.shape, ...undoneOutput }),
  });
