import { z } from 'zod';
import {
  APPROVAL_POLICIES,
  CALL_MODES,
  SANDBOXES,
  type ThreadSettings,
} from '../../agents/threads/thread.ts';
import { invalidField } from '../../callers/invalid-field.ts';
import { workInput } from './work.ts';

/** Names that other systems use. */
const SANDBOX_ALIASES = {
  isolated: 'workspace-write',
  'full-access': 'danger-full-access',
} as const;
const POLICY_ALIASES = { 'on-failure': 'on-request' } as const;

/** Settings of Codex that change its answers and no permission. */
const CONFIG_KEYS = [
  'compact_prompt',
  'model_auto_compact_token_limit',
  'model_reasoning_summary',
  'model_verbosity',
  'project_doc_max_bytes',
  'tool_output_token_limit',
] as const;
const configValue = z.union([z.string(), z.number(), z.boolean()]).optional();

/** Arguments of `codex`, in the spellings of `codex mcp-server`. */
export const codexSettingsInput = {
  sandbox: z
    .enum([...SANDBOXES, 'isolated', 'full-access'])
    .optional()
    .describe(
      'What Codex may do in its container. read-only: every file change is undone. isolated is workspace-write, and full-access is danger-full-access. Default: CODEX_SANDBOX_MODE of the server.',
    ),
  'approval-policy': z
    .enum([...APPROVAL_POLICIES, 'on-failure'])
    .optional()
    .describe('When Codex asks an approver before it runs a command. Default: never.'),
  cwd: z
    .string()
    .min(1)
    .max(1000)
    .optional()
    .describe('Directory of the workspace to work in. Default: the workspace.'),
  'base-instructions': z.string().optional().describe("Replaces Codex's own instructions."),
  'developer-instructions': z.string().optional().describe("Adds to Codex's own instructions."),
  'compact-prompt': z
    .string()
    .optional()
    .describe('The prompt that Codex shortens a long conversation with.'),
  config: z
    .strictObject({
      ...Object.fromEntries(
        CONFIG_KEYS.map((key) => [key, configValue.describe(`The setting ${key} of Codex.`)]),
      ),
      model: workInput.model,
      model_reasoning_effort: workInput.reasoning_effort,
    })
    .optional()
    .describe('Settings of Codex, by their own names, for this conversation.'),
  verbosity: z.enum(['low', 'medium', 'high']).optional().describe('How much Codex writes.'),
  mode: z
    .enum(CALL_MODES)
    .optional()
    .describe('How you call. A turn with ci, for a pipeline, waits until an approver approves it.'),
  full_auto: z
    .boolean()
    .optional()
    .describe(
      'true: Codex never asks, which is the default. With full-access and ci the turn requires two approvers.',
    ),
};
type CodexSettingsInput = z.output<z.ZodObject<typeof codexSettingsInput>>;

/** Throws `invalid_input` for arguments that contradict each other. */
export function settingsOf(given: CodexSettingsInput): Partial<ThreadSettings> {
  const policy = given['approval-policy'] ?? 'never';
  if (given.full_auto && policy !== 'never') {
    throw invalidField('full_auto', 'it requires the approval-policy never; leave that out');
  }
  const { model, model_reasoning_effort: effort, ...own } = given.config ?? {};
  const compact = given['compact-prompt'];
  return {
    ...(given.sandbox && { sandbox: sandboxOf(given.sandbox) }),
    approvalPolicy: policy === 'on-failure' ? POLICY_ALIASES[policy] : policy,
    mode: given.mode,
    fullAuto: given.full_auto,
    cwd: given.cwd,
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

function sandboxOf(name: NonNullable<CodexSettingsInput['sandbox']>): ThreadSettings['sandbox'] {
  return name === 'isolated' || name === 'full-access' ? SANDBOX_ALIASES[name] : name;
}
