import { z } from 'zod';
import { SANDBOXES } from '../../agents/threads/thread.ts';
import type { CallerViews } from '../../callers/caller-views.ts';
import { invalidField } from '../../callers/invalid-field.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { WRITE_TURN } from '../annotations.ts';
import { id } from '../arguments.ts';
import { commitOutput, undoneOutput } from './changed-files.ts';
import { codexSettingsInput, settingsOf } from './codex-settings.ts';
import { textInput } from './prompt.ts';
import { workTool } from './work.ts';

/** The two tools of `codex mcp-server`, with its names and spellings of arguments. */

const args = z.object({ prompt: textInput('The prompt for Codex.'), sandbox: z.enum(SANDBOXES) });
const answer = z.string();

const codexKind: TurnKind<typeof args, typeof answer> = {
  name: 'codex',
  access: ({ sandbox }) => (sandbox === 'read-only' ? 'read' : 'write'),
  sandbox: ({ sandbox }) => sandbox,
  args,
  prompt: ({ prompt }) => prompt,
  answer,
  result: (content, { changes, unlisted, undone }, { threadId }) => ({
    threadId,
    content,
    changed_files: changes.map(({ file, action }) => ({ file, action })),
    ...(unlisted > 0 && { unlisted_files: unlisted }),
    undone_changes: undone,
  }),
};
const replyKind = { ...codexKind, name: 'codex-reply' };

export const CODEX_KINDS = [codexKind, replyKind];

const output = z.object({
  threadId: z.string().describe('Pass it to codex-reply to continue this conversation.'),
  content: z.string().describe('The last message of Codex.'),
  changed_files: z.array(
    z.object({ file: z.string(), action: z.enum(['create', 'modify', 'delete']) }),
  ),
  ...commitOutput,
  unlisted_files: z.number().int().optional().describe('How many more files changed.'),
  ...undoneOutput,
});

const codexInput = z.object({ prompt: args.shape.prompt, ...codexSettingsInput });

export const codexTool = (views: CallerViews) =>
  workTool(views, codexKind, {
    title: 'Start a conversation with Codex',
    description:
      "Starts a new conversation with Codex in the agent's workspace, as `codex mcp-server` did; use it for prompts that no other tool fits, or to choose sandbox, approval policy and instructions. Returns the last message of Codex and the threadId for codex-reply. Calls to one agent run one after another, and calls to different agents run in parallel.",
    annotations: WRITE_TURN,
    output,
    convert: {
      input: codexInput.shape,
      request(own, { principal }) {
        const given = codexInput.parse(own);
        const settings = views.sessions(principal).settingsOf(settingsOf(given));
        const { model, effort, sandbox } = settings;
        return { args: { prompt: given.prompt, sandbox }, thread: { settings }, model, effort };
      },
    },
  });

const replyId = id.optional();
const replyInput = z.object({
  prompt: args.shape.prompt,
  threadId: replyId.describe('The threadId of codex, or the session_id of any result.'),
  session_id: replyId.describe('Another name for threadId.'),
  conversation_id: replyId.describe('Another name for threadId.'),
});

export const replyTool = (views: CallerViews) =>
  workTool(views, replyKind, {
    title: 'Continue a conversation',
    description:
      'Continues a conversation that codex started, or the one of an agent (session_id); use it to send the next prompt, after restarts of the server too. The sandbox, approval policy and instructions stay those of the conversation. Requires one of threadId, session_id and conversation_id.',
    annotations: WRITE_TURN,
    output,
    convert: {
      input: replyInput.shape,
      request(own, { principal }, agentName) {
        const given = replyInput.parse(own);
        const session = views.sessions(principal).get(threadIdOf(given), agentName);
        const { threadId, settings, sandbox } = session;
        return {
          agentName: session.agent,
          args: { prompt: given.prompt, sandbox },
          ...(settings && { thread: { threadId, settings } }),
          model: settings?.model,
          effort: settings?.effort,
        };
      },
    },
  });

function threadIdOf({ threadId, session_id, conversation_id }: z.output<typeof replyInput>) {
  const given = new Set([threadId, session_id, conversation_id].filter((id) => id !== undefined));
  const [id] = given;
  if (id !== undefined && given.size === 1) return id;
  throw invalidField('threadId', 'give one of threadId, session_id and conversation_id');
}
