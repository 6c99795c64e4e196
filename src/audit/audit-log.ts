import type { TokenUsage } from '../gateway/spending/token-usage.ts';
import type { AgentId } from '../identity/agent-id.ts';
import type { Principal } from '../identity/principal.ts';

/** The types of records, as docs/audit.md describes them. */
export const AUDIT_TYPES = [
  'server_started',
  'server_stopped',
  'call',
  'turn_started',
  'turn_ended',
  'command',
  'file_change',
  'agent_configured',
  'agent_stopped',
  'agent_archived',
  'agent_removed',
  'egress',
  'approval_granted',
  'git',
  'approval_requested',
  'approval_decided',
  'login',
  'login_failed',
  'token_created',
  'token_revoked',
  'admin',
  /** Records of the audit itself. */
  'audit_pruned',
  'audit_lost',
  'audit_gap',
] as const;
export type AuditType = (typeof AUDIT_TYPES)[number];

export type AuditEntry = {
  type: AuditType;
  /** Default: the local principal of a server without tokens. */
  principal?: AuditActor | undefined;
  agentId?: AgentId | undefined;
  /** The conversation: the id of Codex's thread. */
  sessionId?: string | undefined;
  turnId?: string | undefined;
  correlationId?: string | undefined;
  tokens?: TokenUsage | undefined;
  /** In US dollars. */
  cost?: number | undefined;
  /** Small JSON, which is redacted and bounded before it is written. */
  data?: Readonly<Record<string, unknown>> | undefined;
};

export type AuditActor = Pick<Principal, 'id' | 'tenant'>;

/** The actor of what the server does itself, such as stopping idle agents. */
export const SERVER: AuditActor = { id: 'server', tenant: 'default' };

export type AuditState = {
  /** Why records cannot be written now. */
  failure?: string;
  waiting: number;
  /** Records that were dropped since the server started. */
  lost: number;
};

export interface AuditLog {
  /** Queues an entry. Never throws. */
  append(entry: AuditEntry): void;
  /** Throws `audit_unavailable` if records are required and cannot be written. */
  assertWritable(): void;
  readonly state: AuditState;
}

/** Drops every entry. */
export const NO_AUDIT: AuditLog = {
  append() {},
  assertWritable() {},
  state: { waiting: 0, lost: 0 },
};
