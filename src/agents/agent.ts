import { createHash } from 'node:crypto';
import { LOCAL } from '../identity/principal.ts';
import type { AgentSettings } from './threads/agent-settings.ts';

const HASH_LENGTH = 10;
const ID_LENGTH = 64;

/** Whose an agent is. */
export type Ownership = {
  /** What its owner calls it: the `agent_id` of clients. */
  name: string;
  /** Id of the principal. */
  owner: string;
  tenant: string;
};

/** What the server remembers of an agent, whether or not a container runs. */
export type AgentRecord = Ownership & {
  /** What the server calls it: unique, and the name of its container. */
  agentId: string;
  /** Codex's id of the conversation, once there is one: the `session_id` of clients. */
  threadId?: string;
  /** The conversation, copied along with its files, that its own one goes on from. */
  forkOf?: string;
  /** SHA-256, in hex, of the token that its container shows to the gateway. */
  tokenSha256: string;
  /** Whether it runs until somebody unpins it: no reaper and no other agent takes its place. */
  pinned: boolean;
  /** Digest of the source that its workspace was filled with last. */
  source?: string;
  /** Real path of the directory of this machine that it has instead of a workspace of its own, for ever. */
  workspacePath?: string;
  /** Whether only its volumes are left. */
  archived: boolean;
  settings: AgentSettings;
  /** Which instructions its conversation was told, as `instructionsDigest` of them; absent: none. */
  toldInstructions?: string;
  createdAt: Date;
  lastUsedAt: Date;
};

/**
 * What the server calls an agent. The machine's own user has plain ids; the others' carry a mark, which also keeps long names
 * apart.
 */
export function agentIdOf({ name, owner }: Ownership): string {
  if (owner === LOCAL.id) return name;
  const mark = createHash('sha256').update(`${owner}\n${name}`).digest('hex').slice(0, HASH_LENGTH);
  return `${name.slice(0, ID_LENGTH - HASH_LENGTH - 1)}-${mark}`;
}

/** An agent that has never run: it has no token yet. Without an owner it is the machine's own user's. */
export function newAgent(
  agentId: string,
  { name, owner, tenant }: Ownership = { name: agentId, owner: LOCAL.id, tenant: LOCAL.tenant },
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
/** What an agent does now. All but busy ones wake on the next call. */
export type AgentStatus = (typeof AGENT_STATUSES)[number];
