import type { TokenUsage } from '../gateway/spending/token-usage.ts';
import type { Principal } from '../identity/principal.ts';

/** What is recorded; docs/audit.md says what each holds. */
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
  /** Of the audit itself. */
  'audit_pruned',
  'audit_lost',
  'audit_gap',
] as const;
export type AuditType = (typeof AUDIT_TYPES)[number];

/** Something that happened, as its part of the server tells it. */
export type AuditEntry = {
  type: AuditType;
  /** Who did it. Default: whoever reaches a server that asks for no token. */
  principal?: AuditActor | undefined;
  agentId?: string | undefined;
  /** The conversation: the id of Codex's thread. */
  sessionId?: string | undefined;
  turnId?: string | undefined;
  correlationId?: string | undefined;
  tokens?: TokenUsage | undefined;
  /** In US dollars. */
  cost?: number | undefined;
  /** Further facts, as small JSON. It is redacted and bounded before it is written. */
  data?: Readonly<Record<string, unknown>> | undefined;
};

export type AuditActor = Pick<Principal, 'id' | 'tenant'>;

/** What the server does by itself, such as stopping idle agents. */
export const SERVER: AuditActor = { id: 'server', tenant: 'default' };

export type AuditState = {
  /** Why records can't be written now. */
  failure?: string;
  /** Records that wait to be written. */
  waiting: number;
  /** Records that were never written since the server started. */
  lost: number;
};

/** Takes down what happens, for good. */
export interface AuditLog {
  /** Takes an entry to be written soon. Never throws. */
  append(entry: AuditEntry): void;
  /** Throws `audit_unavailable` where records are required and can't be written. */
  assertWritable(): void;
  readonly state: AuditState;
}

/** Keeps nothing: for parts of the server that are used alone. */
export const NO_AUDIT: AuditLog = {
  append() {},
  assertWritable() {},
  state: { waiting: 0, lost: 0 },
};
