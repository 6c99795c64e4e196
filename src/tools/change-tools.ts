import { z } from 'zod';
import type { Changes } from '../callers/changes/changes.ts';
import { agentNameSchema } from '../identity/agent-id.ts';
import { commitSchema } from '../turns/files/turn-commits.ts';
import { FILE_ACTIONS, type FileChange } from '../workspaces/file-change.ts';
import { LOOKING, WRITING } from './annotations.ts';
import type { Tool } from './tool.ts';

const LARGEST_PATHS = 100;
const LARGEST_CONTEXT = 1000;
const LEAST_BYTES = 1024;
const LARGEST_BYTES = 64 * 1024 * 1024;

const turnId = z.string().min(1).max(100);

const fileChange = z.object({
  file: z.string(),
  action: z.enum(FILE_ACTIONS),
  old_file: z.string().optional().describe('What a renamed file was called.'),
  additions: z.number().int(),
  deletions: z.number().int(),
  binary: z.boolean(),
  diff: z.string().optional().describe('As git prints it; not with stat_only.'),
});

const changesInput = z.strictObject({
  agent_id: agentNameSchema.optional().describe('Default: the agent of your session.'),
  turn_id: turnId.optional().describe('What this turn changed.'),
  from_turn: turnId.optional().describe('What was changed from this turn on, it included.'),
  to_turn: turnId.optional().describe('… up to this one, it included. Default: the last.'),
  session_id: turnId
    .optional()
    .describe('What was changed from the first to the last turn of this conversation.'),
  paths: z
    .array(z.string().min(1).max(4096))
    .max(LARGEST_PATHS)
    .default([])
    .describe('Only these files or directories, relative to the workspace.'),
  context_lines: z.number().int().min(0).max(LARGEST_CONTEXT).default(3),
  stat_only: z.boolean().default(false).describe('Without the diffs.'),
  max_bytes: z
    .number()
    .int()
    .min(LEAST_BYTES)
    .max(LARGEST_BYTES)
    .optional()
    .describe('Of all diffs together; the bounds of the server hold besides.'),
});
const changesOutput = z.object({
  agent_id: z.string(),
  from: z.string().nullable().describe('The commit before; null: no files.'),
  to: z.string().nullable().describe('The commit after; null: the files as they are now.'),
  commits: z.array(z.object({ turn_id: z.string(), commit: commitSchema })),
  changes: z.array(fileChange),
  diffstat: z.string(),
  truncated: z.boolean().describe('Whether diffs or files are left out.'),
  notes: z.array(z.string()),
});

/** What turns changed. */
export function getChangesTool(changes: Changes): Tool<typeof changesInput, typeof changesOutput> {
  return {
    name: 'get_changes',
    title: 'Show changes',
    description:
      'Shows the diffs of a turn, of a range of turns or of a whole conversation, with renames. Without any of them: how the files of the agent differ from the last commit in its repository (HEAD).',
    annotations: LOOKING,
    input: changesInput,
    output: changesOutput,
    async run({ paths, context_lines, stat_only, max_bytes, ...asked }, call) {
      const selection = {
        agent: asked.agent_id,
        turn: asked.turn_id,
        from: asked.from_turn,
        to: asked.to_turn,
        session: asked.session_id,
      };
      const scope = { paths, contextLines: context_lines, maxBytes: max_bytes };
      const report = await changes.report(call, selection, scope);
      const { agent, from = null, to = null, turns, unlisted, notes } = report;
      return {
        ...{ agent_id: agent, from, to, notes },
        commits: turns.map(({ turn, commit }) => ({ turn_id: turn.turnId, commit })),
        changes: report.changes.map((change) => described(change, stat_only)),
        diffstat: report.diffstat,
        truncated: unlisted > 0 || (!stat_only && report.changes.some(({ cut }) => cut)),
      };
    },
  };
}

const revertInput = z.strictObject({ turn_id: turnId.describe('Of a call that changed files.') });
const revertOutput = z.object({
  agent_id: z.string(),
  turn_id: z.string(),
  commit: commitSchema.optional(),
  changes: z.array(fileChange),
  diffstat: z.string(),
  notes: z.array(z.string()),
});

/** Takes back what a turn changed. */
export function revertTurnTool(changes: Changes): Tool<typeof revertInput, typeof revertOutput> {
  return {
    name: 'revert_turn',
    title: 'Revert a turn',
    description:
      'Takes back what one turn changed, in the files as they are now: later changes stay. All of it or, on a conflict, nothing. The agent must not be at work.',
    annotations: { ...WRITING, openWorldHint: false },
    input: revertInput,
    output: revertOutput,
    async run({ turn_id }, call) {
      const done = await changes.revert(call, turn_id);
      return {
        ...{ agent_id: done.agent, turn_id, diffstat: done.diffstat, notes: done.notes },
        ...(done.commit && { commit: done.commit }),
        changes: done.changes.map((change) => described(change, false)),
      };
    },
  };
}

function described(change: FileChange, statOnly: boolean): z.output<typeof fileChange> {
  const { file, action, oldFile, additions, deletions, binary, diff } = change;
  return {
    ...{ file, action, additions, deletions, binary },
    ...(oldFile !== undefined && { old_file: oldFile }),
    ...(!statOnly && { diff }),
  };
}
