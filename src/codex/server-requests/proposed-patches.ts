import { LRUCache } from 'lru-cache';
import type { CodexNotification } from '../protocol.ts';

/** Codex requests approval of a patch directly after the item that contains it. */
const MAX_PATCHES = 16;
const DIFF_CHARACTERS = 16_384;

/** The changes of a turn's patches, by item id: an approval request names only the item. */
export class ProposedPatches {
  readonly #patches = new LRUCache<string, { path: string; diff: string }[]>({ max: MAX_PATCHES });

  record({ method, params }: CodexNotification): void {
    if (method !== 'item/started' || params.item?.type !== 'fileChange') return;
    const { id, changes } = params.item;
    const kept = changes.map(({ path, diff = '' }) => ({
      path,
      diff: diff.slice(0, DIFF_CHARACTERS),
    }));
    this.#patches.set(id, kept);
  }

  /** The patch as approvers see it. */
  of(itemId: string) {
    const changes = this.#patches.get(itemId);
    if (!changes) return undefined;
    const paths = changes.map(({ path }) => path).join(', ');
    return { operation: `change ${paths}`, arguments: { changes } };
  }
}
