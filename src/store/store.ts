import type { AgentStore } from '../agents/agent-store.ts';
import type { ThreadStore } from '../agents/threads/thread-store.ts';
import type { WarmContainerStore } from '../agents/warm-pool/warm-container-store.ts';
import type { ApprovalStore } from '../approvals/approval-store.ts';
import type { EgressStore } from '../gateway/egress/egress-store.ts';
import type { SpendingStore } from '../gateway/spending/spending-store.ts';
import type { RestoreStore } from '../snapshots/restore-store.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import type { TurnStore } from '../turns/turn-store.ts';

/** Data that outlives the server. Every write is durable when the call returns. */
export interface Store {
  /** Random and fixed for the life of the store; labels the containers of this server. */
  readonly installationId: string;
  readonly agents: AgentStore;
  readonly threads: ThreadStore;
  readonly turns: TurnStore;
  readonly approvals: ApprovalStore;
  readonly warmContainers: WarmContainerStore;
  readonly spending: SpendingStore;
  readonly egress: EgressStore;
  readonly snapshots: SnapshotStore;
  readonly restores: RestoreStore;
  /** The last runtime of the agents; undefined if none ever ran. */
  readonly runtimeKind: string | undefined;
  setRuntimeKind(kind: string): void;
  /** Commits all writes of `work`, or none if it throws. */
  transaction<T>(work: () => T): T;
  /** Free space of the disk; undefined if unknown. */
  freeBytes(): number | undefined;
  close(): void;
}
