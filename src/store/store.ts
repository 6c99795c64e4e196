import type { AgentStore } from '../agents/agent-store.ts';
import type { ThreadStore } from '../agents/threads/thread-store.ts';
import type { WarmContainerStore } from '../agents/warm-pool/warm-container-store.ts';
import type { ApprovalStore } from '../approvals/approval-store.ts';
import type { EgressStore } from '../gateway/egress/egress-store.ts';
import type { SpendingStore } from '../gateway/spending/spending-store.ts';
import type { BackupStore, RestoreStore } from '../snapshots/snapshot-store.ts';
import type { TurnStore } from '../turns/turn-store.ts';

/** What must outlive the server. Every write is durable when the call returns. */
export interface Store {
  /** Random and fixed for the life of the store: what tells our containers from those of others. */
  readonly installationId: string;
  readonly agents: AgentStore;
  readonly threads: ThreadStore;
  readonly turns: TurnStore;
  readonly approvals: ApprovalStore;
  readonly warmContainers: WarmContainerStore;
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
