import type { Config } from '../../config/config.ts';
import type { ArchiveBounds } from './archive-rules.ts';

type Options = {
  /** `limitBytes` is undefined where nothing is limited. */
  disk: { readonly limitBytes: number | undefined; bytesOf(agentId: string): number };
  config: Pick<Config, 'TRANSFER_MAX_BYTES' | 'TRANSFER_MAX_ENTRIES'>;
};

/** What may go into the workspace of an agent at once: no more than its disk has room for. */
export function transferBounds({ disk, config }: Options, agentId: string): ArchiveBounds {
  const { TRANSFER_MAX_BYTES: most, TRANSFER_MAX_ENTRIES: entries } = config;
  const room = (disk.limitBytes ?? Number.POSITIVE_INFINITY) - disk.bytesOf(agentId);
  return { bytes: Math.max(0, Math.min(most, room)), entries };
}
