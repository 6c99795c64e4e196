import path from 'node:path';
import { z } from 'zod';
import {
  APPROVAL_POLICIES,
  CALL_MODES,
  REASONING_EFFORTS,
  SANDBOXES,
  type ThreadSettings,
} from '../../agents/threads/thread.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';

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

/** What a caller sets of a conversation that it begins, in the spellings of `codex mcp-server`. */
export const codexSettingsInput = {
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
};
type CodexSettingsInput = z.output<z.ZodObject<typeof codexSettingsInput>>;

type SettingsOptions = { runtime: ContainerRuntime; config: Pick<Config, 'CODEX_SANDBOX_MODE'> };

/** The settings as a thread has them. Throws `invalid_input` for what cannot be had here. */
export function settingsOf(
  { runtime, config }: SettingsOptions,
  given: CodexSettingsInput,
): ThreadSettings {
  const policy = given['approval-policy'] ?? 'never';
  if (given.full_auto && policy !== 'never') {
    throw wrongArgument('full_auto', 'it never asks; leave approval-policy out');
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

export function wrongArgument(field: string, problem: string): AppError {
  return new AppError('invalid_input', `${field}: ${problem}.`, {
    data: { issues: [{ field, problem }] },
  });
}

function sandboxOf(
  { confines }: ContainerRuntime,
  word: NonNullable<CodexSettingsInput['sandbox']>,
): ThreadSettings['sandbox'] {
  const sandbox = word === 'isolated' || word === 'full-access' ? SANDBOX_WORDS[word] : word;
  if (sandbox !== 'danger-full-access' || confines) return sandbox;
  throw wrongArgument('sandbox', 'full access is given only where agents run in containers');
}

/** The directory relative to the workspace, which all containers have at the same place. */
function directoryOf(runtime: ContainerRuntime, cwd: string): string {
  const { workspace } = runtime.layout('any');
  const directory = path.posix.relative(workspace, path.posix.resolve(workspace, cwd));
  if (directory === '') return '.';
  if (directory === '..' || directory.startsWith('../')) {
    throw wrongArgument(
      'cwd',
      `it is outside of the agent's workspace, ${workspace}; leave it out`,
    );
  }
  // It may be a link to anywhere, and Codex's own sandbox lets it write where it leads.
  if (!runtime.confines) {
    throw wrongArgument('cwd', 'only agents in containers work in another directory');
  }
  return directory;
}
