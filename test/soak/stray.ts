import type { Store } from '../../src/store/store.ts';
import type { Ledger } from './ledger.ts';
import { MARK } from './unsteady-model.ts';

/** What the product itself runs in a container. */
const INFRASTRUCTURE = [
  /docker-init|tini/,
  /codex(\.js)? app-server/,
  /codex-code-mode-host/,
  /tunnel\.mjs/,
  /workspace-snapshots|git_files/,
  /app\.sock/,
];
/** A background process has its mark in the shell that is its parent. */
const CHILD_OF_MARKED = /^sleep 900$/;

export function isInfrastructure(command: string): boolean {
  return INFRASTRUCTURE.some((pattern) => pattern.test(command));
}

/** Whether a process belongs to no turn that may leave one behind: what implement and fix start stays. */
export function isStray(command: string, store: Store, ledger: Ledger): boolean {
  if (CHILD_OF_MARKED.test(command)) return false;
  const [mark] = MARK.exec(command) ?? [];
  const work = mark === undefined ? undefined : ledger.works.get(mark);
  if (!work) return true;
  const turn = store.turns.findByKey(work.agentId, work.mark);
  const mayStay = work.tool === 'implement' || work.tool === 'fix';
  const ended = turn?.state === 'interrupted' || turn?.state === 'expired';
  return !mayStay || ended;
}
