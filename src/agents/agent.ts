import { createHash } from 'node:crypto';
import type { AgentId, AgentName } from '../identity/agent-id.ts';
import { LOCAL } from '../identity/principal.ts';
import type { AgentSettings } from './threads/agent-settings.ts';

const HASH_LENGTH = 10;
const ID_LENGTH = 64;

export type Ownership = {
  /** What the owner calls the agent: the `agent_id` of clients, unique per owner. */
  name: AgentName;
  /** Principal id. */
  owner: string;
  tenant: string;
};

export type AgentRecord = Ownership & {
  /** Unique id in the server; part of the container name. */
  agentId: AgentId;
  /** Codex's id of the main thread: the `session_id` of clients. */
  threadId?: string;
  /** The copied thread that the main thread will be forked from. */
  forkOf?: string;
  /** SHA-256, in hex, of the container's token for the gateway. */
  tokenSha256: string;
  /** A pinned agent is never reaped or evicted. */
  pinned: boolean;
  /** Digest of the last source of the workspace. */
  source?: string;
  /** Real path of a directory of the machine that is the workspace; never changes. */
  workspacePath?: string;
  /** Whether the container was removed and the volumes are kept. */
  archived: boolean;
  settings: AgentSettings;
  /** Digest of the instructions that the main thread has; absent without any. */
  toldInstructions?: string;
  createdAt: Date;
  lastUsedAt: Date;
};

/** The id of an agent: its name, followed by a hash for owners other than the local user. */
export function agentIdOf({ name, owner }: Ownership): AgentId {
  if (owner === LOCAL.id) return `${name}`;
  const hash = createHash('sha256').update(`${owner}\n${name}`).digest('hex').slice(0, HASH_LENGTH);
  return `${name.slice(0, ID_LENGTH - HASH_LENGTH - 1)}-${hash}`;
}

/** A new agent, without a token. An id of no known owner is a name of the local user. */
export function newAgent(
  agentId: AgentId,
  { name, owner, tenant }: Ownership = {
    name: `${agentId}`,
    owner: LOCAL.id,
    tenant: LOCAL.tenant,
  },
): AgentRecord {
  const now = new Date();
  return {
    agentId,
    name,
    owner,
    tenant,
    tokenSha256: '',
    pinned: false,
    archived: false,
    settings: {},
    createdAt: now,
    lastUsedAt: now,
  };
}

export const AGENT_STATUSES = ['busy', 'idle', 'paused', 'stopped', 'archived'] as const;
export type AgentStatus = (typeof AGENT_STATUSES)[number];
