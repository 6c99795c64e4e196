import type { Logger } from 'pino';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { TurnStore } from '../turns/turn-store.ts';
import type { WorkspaceFiles } from '../workspaces/transfers/workspace-files.ts';
import { complete } from './restore.ts';
import type { RestoreRecord } from './restore-record.ts';
import type { RestoreStore } from './snapshot-store.ts';

type Options = {
  store: {
    agents: AgentStore;
    restores: RestoreStore;
    turns: Pick<TurnStore, 'unfinished'>;
    transaction<T>(work: () => T): T;
  };
  agents: Pick<AgentManager, 'transition' | 'withAgent'>;
  files: Pick<WorkspaceFiles, 'wasPlaced'>;
  log: Logger;
};

/** Ends what an earlier server was killed in: an agent is restored, or as it was, or not there. */
export class UnfinishedRestores {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Before anybody is served. */
  async recover(): Promise<void> {
    for (const restore of this.#options.store.restores.list()) await this.settle(restore);
  }

  /**
   * Wakes the agent to see whether its files came to their place, if any had arrived. Never rejects: what
   * cannot be told now, the next server finds out.
   */
  async settle(restore: RestoreRecord): Promise<void> {
    const { log } = this.#options;
    const { agentId } = restore;
    try {
      log.warn({ agentId, outcome: await this.#end(restore) }, 'A restore was cut off');
    } catch (error) {
      log.error({ err: error, agentId }, 'What came of a restore cannot be told');
    }
  }

  async #end(restore: RestoreRecord): Promise<'restored' | 'removed' | 'as before'> {
    const { store, agents, files } = this.#options;
    const { agentId, restoreId, begins, becomes } = restore;
    const placed =
      becomes !== undefined &&
      (await agents.withAgent(agentId, async ({ workspace }) => {
        await workspace.ready();
        return files.wasPlaced(agentId, restoreId);
      }));
    if (placed) {
      complete(store, restore);
      return 'restored';
    }
    // Whoever called it meanwhile keeps it.
    const isAwaited = store.turns.unfinished().some((turn) => turn.agentId === agentId);
    const isToGo = begins && !isAwaited && store.agents.get(agentId) !== undefined;
    if (isToGo) await agents.transition('remove', agentId, 'cleanup');
    store.restores.remove(agentId);
    return isToGo ? 'removed' : 'as before';
  }
}
