import type { AgentRecord } from '../agents/agent.ts';
import type { AgentSettings } from '../agents/conversations/agent-settings.ts';
import type { ThreadRecord } from '../agents/conversations/thread.ts';
import type { ApprovalRecord, ApprovalState } from '../approvals/approval.ts';
import type { EgressRecord, EgressRuleRecord } from '../gateway/egress/egress-record.ts';
import type { SpendingStore } from '../gateway/spending/spending-store.ts';
import type { RestoreRecord } from '../snapshots/restore.ts';
import type { BackupRecord } from '../snapshots/snapshot.ts';
import type { TurnEvent } from '../turns/events/turn-event.ts';
import type { TurnRecord } from '../turns/turn.ts';

/** What must outlive the server. Every write is durable when the call returns. */
export interface Store {
  /** Random and fixed for the life of the store: what tells our containers from those of others. */
  readonly installationId: string;
  readonly agents: AgentStore;
  readonly threads: ThreadStore;
  readonly turns: TurnStore;
  readonly approvals: ApprovalStore;
  readonly slots: SlotStore;
  readonly spending: SpendingStore;
  readonly egress: EgressStore;
  readonly backups: BackupStore;
  readonly restores: RestoreStore;
  /** What ran the agents last; undefined if none ever ran. */
  readonly runtimeKind: string | undefined;
  setRuntimeKind(kind: string): void;
  /** Makes several writes one: all are durable when it returns, or none if `work` throws. */
  transaction<T>(work: () => T): T;
  /** What can still be written; undefined if that cannot be told. */
  freeBytes(): number | undefined;
  close(): void;
}

export interface AgentStore {
  get(agentId: string): AgentRecord | undefined;
  /** The agent whose own conversation it is. */
  findByThread(threadId: string): AgentRecord | undefined;
  /** The last used first. */
  list(): AgentRecord[];
  /** All, or those of one principal. */
  count(owner?: string): number;
  /** Inserts, or replaces all but whose it is, its settings, its source or path, and what it was told. */
  put(agent: AgentRecord): void;
  setSettings(agentId: string, settings: AgentSettings): void;
  /** Gives an agent a conversation of its own, and says which instructions that was told. */
  setThread(agentId: string, threadId: string, toldInstructions?: string): void;
  /** Says which instructions the conversation was told that the agent goes on from. */
  setTold(agentId: string, instructions: string | undefined): void;
  touch(agentId: string, usedAt: Date): void;
  setPinned(agentId: string, pinned: boolean): void;
  setSource(agentId: string, digest: string): void;
  /** Says which directory of the machine is its workspace; to be done before it has another. */
  setWorkspacePath(agentId: string, path: string): void;
  setArchived(agentId: string, archived: boolean): void;
  /** Forgets an agent, its conversations and its turns. Nothing if it is gone. */
  remove(agentId: string): void;
}

/** Of each agent so many conversations are known; those that were not used for longest are forgotten. */
export const THREADS_KEPT = 1000;

/** Conversations that agents have besides their own ones. */
export interface ThreadStore {
  get(threadId: string): ThreadRecord | undefined;
  /** Of an agent, or of all, the last used first. */
  list(options: { agentId?: string; limit: number }): ThreadRecord[];
  /** Inserts or replaces. */
  put(thread: ThreadRecord): void;
  setTold(threadId: string, instructions: string | undefined): void;
  touch(threadId: string, usedAt: Date): void;
}

/** Containers that were made ahead of the agents that will have them. */
export interface SlotStore {
  add(slot: Pick<Slot, 'slotId' | 'tokenSha256'>): void;
  list(): Slot[];
  /** The slot that an agent claimed. */
  of(agentId: string): Slot | undefined;
  setReady(slotId: string, ready: boolean): void;
  /** Gives an agent a slot that is ready and nobody's, for ever; undefined if there is none. */
  claim(agentId: string): Slot | undefined;
  remove(slotId: string): void;
}

export type Slot = {
  /** What the runtime knows the container by, now and once it is claimed. */
  slotId: string;
  tokenSha256: string;
  /** Whether it may be claimed: its Codex was seen to answer. */
  ready: boolean;
  /** Whose it is. */
  agentId?: string;
};

/** Where agents may go besides the model, and where they went. Both go with their agent. */
export interface EgressStore {
  /** Inserts, or replaces the same rule of the agent. */
  putRule(rule: EgressRuleRecord): void;
  /** Answers whether there was one. */
  removeRule(agentId: string, rule: string): boolean;
  removeExpiredRules(agentId: string, now: Date): void;
  /** The oldest first, expired ones included. */
  rules(agentId: string): EgressRuleRecord[];
  /** Of each agent the last `kept` stay; those of unknown agents are dropped. */
  append(records: readonly EgressRecord[], kept: number): void;
  /** The last written first. */
  records(agentId: string, limit: number): EgressRecord[];
}

/** What is known of the backups of agents, which outlive them. */
export interface BackupStore {
  get(backupId: string): BackupRecord | undefined;
  /** Of an agent, or of all, the newest first. */
  list(agentId?: string): BackupRecord[];
  add(backup: BackupRecord): void;
  remove(backupId: string): void;
}

/** Restores that have not come to their end, one of an agent at most. */
export interface RestoreStore {
  /** Inserts or replaces. */
  put(restore: RestoreRecord): void;
  list(): RestoreRecord[];
  remove(agentId: string): void;
}

export interface TurnStore {
  get(turnId: string): TurnRecord | undefined;
  /** The turn that an earlier call with this key began. */
  findByKey(agentId: string, idempotencyKey: string): TurnRecord | undefined;
  /** Inserts or replaces. */
  put(turn: TurnRecord): void;
  /** Turns of some agents, or of all, the last one put for the first time first. */
  list(query: TurnQuery): TurnRecord[];
  count(agentId: string): number;
  /** Turns that have not ended, in the order in which they were put for the first time. */
  unfinished(): TurnRecord[];
  /** Removes turns that ended before a time, the oldest first, with their events; answers how many. */
  removeEnded(options: { endedBefore: Date; limit: number }): number;
  /** Appends events of a turn; `seq` goes on from 1 without gaps. */
  appendEvents(turnId: string, events: readonly JournaledEvent[]): void;
  /** Events of a turn after a number, in order. */
  events(turnId: string, options: { after: number; limit: number }): JournaledEvent[];
}

/** Which turns; all conditions that are given must hold. */
export type TurnQuery = {
  agentIds?: readonly string[];
  /** Of agents of one principal. */
  owner?: string;
  tenant?: string;
  /** Those that follow this turn in the list. */
  before?: string;
  limit: number;
};

export type JournaledEvent = { seq: number; at: Date; event: TurnEvent };

/** What people were asked to approve. Each goes with its turn. */
export interface ApprovalStore {
  get(approvalId: string): ApprovalRecord | undefined;
  /** That of a turn with a request key. */
  find(turnId: string, requestKey: string): ApprovalRecord | undefined;
  /** Inserts, or replaces what changes: state, decisions and answers. */
  put(approval: ApprovalRecord): void;
  /** The newest first. */
  list(query: ApprovalQuery): ApprovalRecord[];
  /** Those on which nobody has decided, in the order in which they were put. */
  pending(): ApprovalRecord[];
  count(turnId: string): number;
}

/** Which approvals; all conditions that are given must hold. */
export type ApprovalQuery = {
  tenant?: string;
  requestedBy?: string;
  /** Of these agents alone. */
  agentIds?: readonly string[];
  state?: ApprovalState;
  limit: number;
};
