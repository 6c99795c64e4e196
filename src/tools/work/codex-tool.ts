import path from 'node:path';
import { z } from 'zod';
import type { Access } from '../../access/access.ts';
import type { CallerAgents } from '../../access/caller-agents.ts';
import {
  APPROVAL_POLICIES,
  CALL_MODES,
  SANDBOXES,
  type ThreadSettings,
} from '../../agents/conversations/thread.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { REASONING_EFFORTS } from '../../turns/turn.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { WRITING } from '../hints.ts';
import type { Tool } from '../tool.ts';
import { commitOutput, textInput, undoneOutput, workTool } from './work.ts';

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

/** Words of other systems for the same. */
const SANDBOX_WORDS = { isolated: 'workspace-write', 'full-access': 'danger-full-access' } as const;
const POLICY_WORDS = { 'on-failure': 'on-request' } as const;

/** Settings of Codex that change how it answers, and nothing that it may do. */
const CONFIG_KEYS = [
  'compact_prompt',
  'model_auto_compact_token_limit',
  'model_reasoning_summary',
  'model_verbosity',
  'project_doc_max_bytes',
  'tool_output_token_limit',
] as const;
const configValue = z.union([z.string(), z.number(), z.boolean()]).optional();

const codexInput = z.object({
  prompt: args.shape.prompt,
  sandbox: z
    .enum([...SANDBOXES, 'isolated', 'full-access'])
    .optional()
    .describe(
      'What it may do, within its container: read-only puts back whatever it changes; isolated is workspace-write, full-access is danger-full-access.',
    ),
  'approval-policy': z
    .enum([...APPROVAL_POLICIES, 'on-failure'])
    .optional()
    .describe('What Codex has to ask approvers for first. Default: never.'),
  cwd: z
    .string()
    .min(1)
    .max(1000)
    .optional()
    .describe("Directory to work in, in the agent's workspace. Default: the workspace."),
  'base-instructions': z.string().optional().describe("Instead of Codex's own instructions."),
  'developer-instructions': z.string().optional().describe('Besides its own instructions.'),
  'compact-prompt': z.string().optional().describe('Used when the conversation is shortened.'),
  config: z
    .strictObject({
      ...Object.fromEntries(CONFIG_KEYS.map((key) => [key, configValue])),
      model: z.string().min(1).max(100).optional(),
      model_reasoning_effort: z.enum(REASONING_EFFORTS).optional(),
    })
    .optional()
    .describe('Settings of Codex, by its own names, for this conversation.'),
  verbosity: z.enum(['low', 'medium', 'high']).optional().describe('How much it says.'),
  mode: z
    .enum(CALL_MODES)
    .optional()
    .describe('How you call. A turn for a pipeline, ci, waits until somebody approves it.'),
  full_auto: z
    .boolean()
    .optional()
    .describe('Never asking, as is the default. With full access and ci it needs two approvers.'),
});
type CodexInput = z.output<typeof codexInput>;

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

function settingsOf({ runtime, config }: CodexServices, given: CodexInput): ThreadSettings {
  const policy = given['approval-policy'] ?? 'never';
  if (given.full_auto && policy !== 'never') {
    throw wrong('full_auto', 'it never asks; leave approval-policy out');
  }
  const { model, model_reasoning_effort: effort, ...own } = given.config ?? {};
  const compact = given['compact-prompt'];
  return {
    sandbox: sandboxOf(runtime, given.sandbox ?? config.CODEX_SANDBOX_MODE),
    approvalPolicy: policy === 'on-failure' ? POLICY_WORDS[policy] : policy,
    mode: given.mode,
    fullAuto: given.full_auto,
    cwd: given.cwd && directoryOf(runtime, given.cwd),
    model,
    effort,
    baseInstructions: given['base-instructions'],
    developerInstructions: given['developer-instructions'],
    config: {
      ...own,
      ...(compact !== undefined && { compact_prompt: compact }),
      ...(given.verbosity && { model_verbosity: given.verbosity }),
    },
  };
}

function sandboxOf(
  { confines }: ContainerRuntime,
  word: NonNullable<CodexInput['sandbox']>,
): ThreadSettings['sandbox'] {
  const sandbox = word === 'isolated' || word === 'full-access' ? SANDBOX_WORDS[word] : word;
  if (sandbox !== 'danger-full-access' || confines) return sandbox;
  throw wrong('sandbox', 'full access is given only where agents run in containers');
}

/** The directory relative to the workspace, which all containers have at the same place. */
function directoryOf(runtime: ContainerRuntime, cwd: string): string {
  const { workspace } = runtime.layout('any');
  const directory = path.posix.relative(workspace, path.posix.resolve(workspace, cwd));
  if (directory === '') return '.';
  if (directory === '..' || directory.startsWith('../')) {
    throw wrong('cwd', `it is outside of the agent's workspace, ${workspace}; leave it out`);
  }
  // It may be a link to anywhere, and Codex's own sandbox lets it write where it leads.
  if (!runtime.confines) throw wrong('cwd', 'only agents in containers work in another directory');
  return directory;
}

function threadIdOf({ threadId, session_id, conversation_id }: z.output<typeof replyInput>) {
  const given = new Set([threadId, session_id, conversation_id].filter((id) => id !== undefined));
  const [id] = given;
  if (id !== undefined && given.size === 1) return id;
  throw wrong('threadId', 'give one of threadId, session_id and conversation_id');
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

function wrong(field: string, problem: string): AppError {
  return new AppError('invalid_input', `${field}: ${problem}.`, {
    data: { issues: [{ field, problem }] },
  });
}
