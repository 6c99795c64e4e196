import type { Config } from '../../config/config.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ArchiveBounds } from './archive-rules.ts';

type Options = {
  /** `limitBytes` is undefined without a limit. */
  disk: { readonly limitBytes: number | undefined; bytesOf(agentId: AgentId): number };
  config: Pick<Config, 'TRANSFER_MAX_BYTES' | 'TRANSFER_MAX_ENTRIES'>;
};

/** Limits of one upload: the settings, and the free space of the agent's disk. */
export function transferBounds({ disk, config }: Options, agentId: AgentId): ArchiveBounds {
  const { TRANSFER_MAX_BYTES: most, TRANSFER_MAX_ENTRIES: entries } = config;
  const room = (disk.limitBytes ?? Number.POSITIVE_INFINITY) - disk.bytesOf(agentId);
  return { bytes: Math.max(0, Math.min(most, room)), entries };
}
