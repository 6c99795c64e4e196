import { z } from 'zod';
import type { CallerViews } from '../callers/caller-views.ts';
import { commitSchema } from '../turns/files/turn-commits.ts';
import { FILE_ACTIONS, type FileChange } from '../workspaces/file-change.ts';
import { QUERY, WRITE } from './annotations.ts';
import { id, optionalAgentName, turnId } from './arguments.ts';
import { defineTool } from './tool.ts';

const LARGEST_PATHS = 100;
const LARGEST_CONTEXT = 1000;
const LEAST_BYTES = 1024;
const LARGEST_BYTES = 64 * 1024 * 1024;

const fileChange = z.object({
  file: z.string(),
  action: z.enum(FILE_ACTIONS),
  old_file: z.string().optional().describe('The former path of a renamed file.'),
  additions: z.number().int(),
  deletions: z.number().int(),
  binary: z.boolean(),
  diff: z.string().optional().describe('A diff of git. Absent with stat_only.'),
});

const changesInput = z.strictObject({
  agent_id: optionalAgentName,
  turn_id: turnId.optional().describe('Returns the changes of this turn.'),
  from_turn: turnId
    .optional()
    .describe('Returns the changes from this turn on. Default: the first turn.'),
  to_turn: turnId
    .optional()
    .describe('Returns the changes up to and including this turn. Default: the last turn.'),
  session_id: id.optional().describe('Returns the changes of all turns of this conversation.'),
  paths: z
    .array(z.string().min(1).max(4096))
    .max(LARGEST_PATHS)
    .default([])
    .describe(
      'Returns changes of these files or directories only, relative to the workspace. Default: all.',
    ),
  context_lines: z
    .number()
    .int()
    .min(0)
    .max(LARGEST_CONTEXT)
    .default(3)
    .describe('Unchanged lines around each change.'),
  stat_only: z.boolean().default(false).describe('true: leaves the diffs out.'),
  max_bytes: z
    .number()
    .int()
    .min(LEAST_BYTES)
    .max(LARGEST_BYTES)
    .optional()
    .describe('The most bytes of all diffs together. Default: the limits of the server.'),
});
const changesOutput = z.object({
  agent_id: z.string(),
  from: z.string().nullable().describe('The commit before the changes. Null: there was none.'),
  to: z.string().nullable().describe('The commit after the changes. Null: the present files.'),
  commits: z.array(z.object({ turn_id: z.string(), commit: commitSchema })),
  changes: z.array(fileChange),
  diffstat: z.string(),
  truncated: z.boolean().describe('true: diffs or files were left out.'),
  notes: z.array(z.string()),
});

export const getChangesTool = (views: CallerViews) =>
  defineTool({
    name: 'get_changes',
    title: 'Show changes',
    description:
      'Shows the diffs of a turn, of a range of turns or of a conversation; use it to review what Codex changed. Without turn_id, from_turn, to_turn and session_id it compares the present files of the agent with HEAD of its repository.',
    annotations: QUERY,
    input: changesInput,
    output: changesOutput,
    async run({ paths, context_lines, stat_only, max_bytes, ...asked }, call) {
      const selection = {
        agent: asked.agent_id,
        defaultAgent: call.defaultAgentName,
        turn: asked.turn_id,
        from: asked.from_turn,
        to: asked.to_turn,
        session: asked.session_id,
      };
      const scope = { paths, contextLines: context_lines, maxBytes: max_bytes };
      const report = await views.changes(call.principal).report(selection, scope);
      const { agent, from = null, to = null, turns, unlisted, notes } = report;
      return {
        ...{ agent_id: agent, from, to, notes },
        commits: turns.map(({ turn, commit }) => ({ turn_id: turn.turnId, commit })),
        changes: report.changes.map((change) => described(change, stat_only)),
        diffstat: report.diffstat,
        truncated: unlisted > 0 || (!stat_only && report.changes.some(({ cut }) => cut)),
      };
    },
  });

const revertInput = z.strictObject({ turn_id: turnId.describe('A turn that changed files.') });
const revertOutput = z.object({
  agent_id: z.string(),
  turn_id: z.string(),
  commit: commitSchema.optional(),
  changes: z.array(fileChange),
  diffstat: z.string(),
  notes: z.array(z.string()),
});

export const revertTurnTool = (views: CallerViews) =>
  defineTool({
    name: 'revert_turn',
    title: 'Revert a turn',
    description:
      'Reverts the file changes of one turn and keeps later changes; use it to undo a call that went wrong. On a conflict with later changes the call fails with revert_conflict and changes nothing. The call fails with agent_busy while the agent works.',
    annotations: WRITE,
    input: revertInput,
    output: revertOutput,
    async run({ turn_id }, { principal }) {
      const done = await views.changes(principal).revert(turn_id);
      return {
        ...{ agent_id: done.agent, turn_id, diffstat: done.diffstat, notes: done.notes },
        ...(done.commit && { commit: done.commit }),
        changes: done.changes.map((change) => described(change, false)),
      };
    },
  });

function described(change: FileChange, statOnly: boolean): z.output<typeof fileChange> {
  const { file, action, oldFile, additions, deletions, binary, diff } = change;
  return {
    ...{ file, action, additions, deletions, binary },
    ...(oldFile !== undefined && { old_file: oldFile }),
    ...(!statOnly && { diff }),
  };
}
