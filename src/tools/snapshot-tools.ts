import { z } from 'zod';
import type { SnapshotView } from '../callers/caller-snapshots.ts';
import type { CallerViews } from '../callers/caller-views.ts';
import { ownNameSchema } from '../identity/agent-id.ts';
import { QUERY, UPDATE, WRITE } from './annotations.ts';
import { filterByAgent, optionalAgentName } from './arguments.ts';
import { defineTool } from './tool.ts';

const LABEL_LENGTH = 200;

const snapshotId = z.uuid().describe('From snapshot or list_snapshots.');
const snapshotShape = z.object({
  snapshot_id: z.string(),
  agent_id: z.string().describe('The agent that was saved. It may be removed by now.'),
  label: z.string().nullable(),
  bytes: z.number().describe('Size of the compressed file.'),
  sha256: z.string(),
  created_at: z.string(),
});

const takeInput = z.strictObject({
  agent_id: optionalAgentName,
  label: z
    .string()
    .min(1)
    .max(LABEL_LENGTH)
    .optional()
    .describe('A note that list_snapshots shows.'),
});
const takeOutput = snapshotShape.extend({
  conversation: z.boolean().describe('Whether the snapshot holds a conversation.'),
  omitted: z.number().describe('Entries left out, such as links that point out of the workspace.'),
  removed: z.array(z.string()).describe('Older snapshots that were deleted to make room.'),
});

export const snapshotTool = (views: CallerViews) =>
  defineTool({
    name: 'snapshot',
    title: 'Take a snapshot',
    description:
      'Saves the workspace and the conversation of an agent in one file on the server; use it before risky work, or to move the agent to another server. The file includes ignored files and the git history. The call fails with agent_busy while the agent works. The oldest snapshots of an agent are deleted to make room.',
    annotations: { ...UPDATE, idempotentHint: false },
    input: takeInput,
    output: takeOutput,
    async run({ agent_id, label }, { principal, defaultAgentName, signal, progress }) {
      const agent = agent_id ?? defaultAgentName;
      progress(`Taking a snapshot of agent ${agent}`);
      const made = await views.snapshots(principal).make(agent, label, signal);
      const { snapshot, hasConversation, omitted, removed } = made;
      return { ...describe(snapshot), conversation: hasConversation, omitted, removed };
    },
  });

const listInput = z.strictObject({ agent_id: filterByAgent });
const listOutput = z.object({ snapshots: z.array(snapshotShape) });

export const listSnapshotsTool = (views: CallerViews) =>
  defineTool({
    name: 'list_snapshots',
    title: 'List snapshots',
    description:
      'Lists the snapshots of your agents, the newest first; use it to find the snapshot_id for restore. Snapshots of removed agents are listed too.',
    annotations: QUERY,
    input: listInput,
    output: listOutput,
    run: async ({ agent_id }, { principal }) => ({
      snapshots: views.snapshots(principal).list(agent_id).map(describe),
    }),
  });

const restoreInput = z.strictObject({
  snapshot_id: snapshotId,
  agent_id: ownNameSchema
    .optional()
    .describe('The id of the restored agent. Default: a new agent with a generated id.'),
  replace: z
    .boolean()
    .default(false)
    .describe('true: replaces the files and the conversation of an agent that exists.'),
});
const restoreOutput = z.object({
  agent_id: z.string().describe('Pass it to any tool that works.'),
  files: z.number(),
  bytes: z.number(),
  conversation: z.boolean().describe('Whether the agent goes on from a conversation.'),
  mcp_servers_left_out: z.array(z.string()).describe('MCP servers that this server does not have.'),
});

export const restoreTool = (views: CallerViews) =>
  defineTool({
    name: 'restore',
    title: 'Restore a snapshot',
    description:
      'Creates an agent with the files, conversation and settings of a snapshot; use it to go back to an earlier state, with replace in the same agent. Allowed hosts and pins are not restored.',
    annotations: WRITE,
    input: restoreInput,
    output: restoreOutput,
    async run({ snapshot_id, agent_id: name, replace }, { principal, signal, progress }) {
      progress(`Restoring snapshot ${snapshot_id}`);
      const options = { name, replace, signal };
      const restored = await views.snapshots(principal).restore(snapshot_id, options);
      const { agent, files, bytes, hasConversation, leftOut } = restored;
      return {
        ...{ agent_id: agent, files, bytes },
        ...{ conversation: hasConversation, mcp_servers_left_out: leftOut },
      };
    },
  });

const deleteInput = z.strictObject({ snapshot_id: snapshotId });
const deleteOutput = z.object({ deleted: z.string(), freed_bytes: z.number() });

export const deleteSnapshotTool = (views: CallerViews) =>
  defineTool({
    name: 'delete_snapshot',
    title: 'Delete a snapshot',
    description:
      'Deletes a snapshot and its file; use it when the snapshot is no longer needed or a quota is reached. Agents are not changed.',
    annotations: { ...UPDATE, destructiveHint: true },
    input: deleteInput,
    output: deleteOutput,
    async run({ snapshot_id }, { principal }) {
      const { snapshotId, bytes } = views.snapshots(principal).remove(snapshot_id);
      return { deleted: snapshotId, freed_bytes: bytes };
    },
  });

function describe({ snapshotId, agent, label, bytes, sha256, createdAt }: SnapshotView) {
  return {
    ...{ snapshot_id: snapshotId, agent_id: agent, label: label ?? null },
    ...{ bytes, sha256, created_at: createdAt.toISOString() },
  };
}
