import { LRUCache } from 'lru-cache';
import type { CodexNotification } from '../protocol.ts';

/** A patch is asked for right after it was told of. */
const DRAFTS_KEPT = 16;
const DIFF_CHARACTERS = 16_384;

/** What the patches of a turn would change: a request to apply one names it and says no more. */
export class PatchDrafts {
  readonly #drafts = new LRUCache<string, { path: string; diff: string }[]>({ max: DRAFTS_KEPT });

  take({ method, params }: CodexNotification): void {
    if (method !== 'item/started' || params.item?.type !== 'fileChange') return;
    const { id, changes } = params.item;
    const kept = changes.map(({ path, diff = '' }) => ({
      path,
      diff: diff.slice(0, DIFF_CHARACTERS),
    }));
    this.#drafts.set(id, kept);
  }

  /** As people who decide are shown it. */
  of(itemId: string) {
    const changes = this.#drafts.get(itemId);
    if (!changes) return undefined;
    const paths = changes.map(({ path }) => path).join(', ');
    return { operation: `change ${paths}`, arguments: { changes } };
  }
}
