import { z } from 'zod';
import { SANDBOXES } from '../../agents/threads/thread.ts';
import type { Access } from '../../callers/access.ts';
import type { CallerAgents } from '../../callers/caller-agents.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { WRITING } from '../annotations.ts';
import type { Tool } from '../tool.ts';
import { commitOutput, undoneOutput } from './changed-files.ts';
import { codexSettingsInput, settingsOf, wrongArgument } from './codex-settings.ts';
import { textInput } from './prompt.ts';
import { workTool } from './work.ts';

/**
 * The two tools that `codex mcp-server` had, with its names and spellings, those of Codex's own
 * settings, and the words that others use for them.
 */

type CodexServices = {
  access: Access;
  runtime: ContainerRuntime;
  config: Pick<Config, 'CODEX_SANDBOX_MODE'>;
};

const args = z.object({ prompt: textInput('What to say to Codex.'), sandbox: z.enum(SANDBOXES) });
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
  threadId: z.string().describe('Pass it to codex-reply to go on with this conversation.'),
  content: z.string().describe('What Codex said last.'),
  changed_files: z.array(
    z.object({ file: z.string(), action: z.enum(['create', 'modify', 'delete']) }),
  ),
  ...commitOutput,
  unlisted_files: z.number().int().optional().describe('How many more files changed.'),
  ...undoneOutput,
});

const codexInput = z.object({ prompt: args.shape.prompt, ...codexSettingsInput });

/** Begins a conversation of its own with an agent. */
export function codexTool(services: CodexServices): Tool {
  return workTool(services.access, codexKind, {
    title: 'Begin a conversation with Codex',
    description:
      "Runs a Codex session in the agent's workspace, as `codex mcp-server` did: give a prompt, get its last message and the threadId for codex-reply. Calls on one agent run one after another; use other agent_ids to work in parallel.",
    annotations: WRITING,
    output,
    asks: {
      input: codexInput.shape,
      request(own) {
        const given = codexInput.parse(own);
        const settings = settingsOf(services, given);
        const { model, effort, sandbox } = settings;
        return { args: { prompt: given.prompt, sandbox }, thread: { settings }, model, effort };
      },
    },
  });
}

const replyId = z.string().min(1).max(100).optional();
const replyInput = z.object({
  prompt: args.shape.prompt,
  threadId: replyId.describe('The conversation: from codex, or the session_id of any result.'),
  session_id: replyId.describe('The same by another name.'),
  conversation_id: replyId.describe('The same by another name.'),
});

/** Goes on with a conversation, however long ago it was begun. */
export function replyTool(services: CodexServices): Tool {
  return workTool(services.access, replyKind, {
    title: 'Go on with a conversation',
    description:
      'Says more in a conversation that codex began, or in the one of an agent (session_id). It goes on after restarts of the server and the container. It may do what the conversation was begun with, and no more.',
    annotations: WRITING,
    output,
    asks: {
      input: replyInput.shape,
      request(own, { principal }, agent) {
        const given = replyInput.parse(own);
        const threads = services.access.agents(principal);
        const { settings, ...found } = findThread(threads, threadIdOf(given), agent);
        const sandbox = settings?.sandbox ?? services.config.CODEX_SANDBOX_MODE;
        return {
          agentId: found.agentId,
          args: { prompt: given.prompt, sandbox },
          ...(settings && { thread: { threadId: found.threadId, settings } }),
          model: settings?.model,
          effort: settings?.effort,
        };
      },
    },
  });
}

function threadIdOf({ threadId, session_id, conversation_id }: z.output<typeof replyInput>) {
  const given = new Set([threadId, session_id, conversation_id].filter((id) => id !== undefined));
  const [id] = given;
  if (id !== undefined && given.size === 1) return id;
  throw wrongArgument('threadId', 'give one of threadId, session_id and conversation_id');
}

/** A conversation that a caller began, or the own one of an agent, which has no settings. */
function findThread(own: CallerAgents, threadId: string, named: string | undefined) {
  const found = own.findThread(threadId);
  const agentId = found && own.nameOf(found.agent.agentId);
  if (agentId !== undefined && (named ?? agentId) === agentId) {
    return { threadId, agentId, settings: found?.begun?.settings };
  }
  const of = named === undefined ? '' : ` of agent ${named}`;
  throw new AppError('thread_not_found', `There is no conversation "${threadId}"${of}.`);
}
