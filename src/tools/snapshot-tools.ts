import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Access } from '../callers/access.ts';
import type { CallerBackups } from '../callers/caller-backups.ts';
import { agentIdSchema, agentNameSchema } from '../identity/agent-id.ts';
import type { SnapshotRecord } from '../snapshots/snapshot.ts';
import { LOOKING, SAFE, WRITING } from './annotations.ts';
import type { Tool } from './tool.ts';

const ID_LENGTH = 64;
const LABEL_LENGTH = 200;

const snapshotId = z.uuid().describe('From snapshot or list_snapshots.');
const snapshotShape = z.object({
  snapshot_id: z.string(),
  agent_id: z.string().describe('The agent it is of, which may be gone.'),
  label: z.string().nullable(),
  bytes: z.number().describe('Size of the file, as packed.'),
  sha256: z.string(),
  created_at: z.string(),
});

const takeInput = z.strictObject({
  agent_id: agentNameSchema.optional().describe('Default: the agent of your session.'),
  label: z.string().min(1).max(LABEL_LENGTH).optional().describe('A note for yourself.'),
});
const takeOutput = snapshotShape.extend({
  conversation: z.boolean().describe('Whether the agent had a conversation, which is in it.'),
  omitted: z.number().describe('Entries that are not in it, such as links out of the workspace.'),
  removed: z.array(z.string()).describe('Older snapshots that made room.'),
});

/** Writes an agent into a file of the server. */
export function snapshotTool(access: Access): Tool<typeof takeInput, typeof takeOutput> {
  return {
    name: 'snapshot',
    title: 'Take a snapshot',
    description:
      'Keeps the workspace of an agent, ignored files and git history included, and its conversation in one file on the server: to go back to, or to move the agent to another server. The agent must have nothing to do meanwhile. The oldest snapshots of an agent make room for new ones.',
    annotations: { ...SAFE, idempotentHint: false },
    input: takeInput,
    output: takeOutput,
    async run({ agent_id, label }, { principal, defaultAgentId, signal, progress }) {
      const name = agent_id ?? defaultAgentId;
      progress(`Taking a snapshot of agent ${name}`);
      const own = access.backups(principal);
      const { snapshot, hasConversation, omitted, removed } = await own.make(name, label, signal);
      return { ...dataOf(own, snapshot), conversation: hasConversation, omitted, removed };
    },
  };
}

const listInput = z.strictObject({
  agent_id: agentNameSchema.optional().describe('Default: all of yours, removed ones included.'),
});
const listOutput = z.object({ snapshots: z.array(snapshotShape) });

export function listSnapshotsTool(access: Access): Tool<typeof listInput, typeof listOutput> {
  return {
    name: 'list_snapshots',
    title: 'List snapshots',
    description: 'Tells which snapshots of your agents are kept, the newest first.',
    annotations: LOOKING,
    input: listInput,
    output: listOutput,
    async run({ agent_id }, { principal }) {
      const own = access.backups(principal);
      return { snapshots: own.list(agent_id).map((backup) => dataOf(own, backup)) };
    },
  };
}

const restoreInput = z.strictObject({
  snapshot_id: snapshotId,
  agent_id: agentIdSchema
    .optional()
    .describe('What the agent is called. Default: a new one, whose id is made for you.'),
  replace: z
    .boolean()
    .default(false)
    .describe('true: an agent that is there becomes what the snapshot holds, and loses the rest.'),
});
const restoreOutput = z.object({
  agent_id: z.string().describe('Pass it to any tool that works.'),
  files: z.number(),
  bytes: z.number(),
  conversation: z.boolean().describe('Whether it goes on from a conversation.'),
  mcp_servers_left_out: z.array(z.string()).describe('Of its settings; this server has none such.'),
});

/** Makes an agent of a snapshot. */
export function restoreTool(access: Access): Tool<typeof restoreInput, typeof restoreOutput> {
  return {
    name: 'restore',
    title: 'Restore a snapshot',
    description:
      'Makes a new agent that has the files, the conversation and the settings of a snapshot; or, with replace, has an agent go back to it. Hosts that were allowed and pins are not in it.',
    annotations: { ...WRITING, openWorldHint: false },
    input: restoreInput,
    output: restoreOutput,
    async run({ snapshot_id, agent_id, replace }, { principal, signal, progress }) {
      const own = access.backups(principal);
      const name = agent_id ?? nameOfRestored(own.get(snapshot_id));
      progress(`Restoring agent ${name}`);
      const restored = await own.restore(snapshot_id, name, { replace, signal });
      const { files, bytes, hasConversation, leftOut } = restored;
      return {
        ...{ agent_id: name, files, bytes },
        ...{ conversation: hasConversation, mcp_servers_left_out: leftOut },
      };
    },
  };
}

const deleteInput = z.strictObject({ snapshot_id: snapshotId });
const deleteOutput = z.object({ deleted: z.string(), freed_bytes: z.number() });

export function deleteSnapshotTool(access: Access): Tool<typeof deleteInput, typeof deleteOutput> {
  return {
    name: 'delete_snapshot',
    title: 'Delete a snapshot',
    description: 'Removes a snapshot and its file. Agents stay as they are.',
    annotations: { ...SAFE, destructiveHint: true },
    input: deleteInput,
    output: deleteOutput,
    async run({ snapshot_id }, { principal }) {
      const { snapshotId, bytes } = access.backups(principal).remove(snapshot_id);
      return { deleted: snapshotId, freed_bytes: bytes };
    },
  };
}

function dataOf(own: CallerBackups, backup: SnapshotRecord) {
  const { snapshotId, label, bytes, sha256, createdAt } = backup;
  return {
    ...{ snapshot_id: snapshotId, agent_id: own.nameOf(backup), label: label ?? null },
    ...{ bytes, sha256, created_at: createdAt.toISOString() },
  };
}

function nameOfRestored({ name }: SnapshotRecord): string {
  const mark = `-restored-${randomBytes(4).toString('hex')}`;
  return `${name.slice(0, ID_LENGTH - mark.length)}${mark}`;
}
