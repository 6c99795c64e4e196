import type { Logger } from 'pino';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { TurnStore } from '../turns/turn-store.ts';
import type { WorkspaceFiles } from '../workspaces/transfers/workspace-files.ts';
import { completeRestore } from './complete-restore.ts';
import type { RestoreRecord } from './restore.ts';
import type { RestoreStore } from './restore-store.ts';

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

/** Ends restores that a killed server left: the agent is restored, unchanged or removed. */
export class UnfinishedRestores {
  readonly #options: Options;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Called before the server listens. */
  async recover(): Promise<void> {
    for (const restore of this.#options.store.restores.list()) await this.settle(restore);
  }

  /**
   * Wakes the agent, if its archive had arrived, to see whether its files were moved into place. Never
   * rejects: the next server tries again.
   */
  async settle(restore: RestoreRecord): Promise<void> {
    const { log } = this.#options;
    const { agentId } = restore;
    try {
      log.warn({ agentId, outcome: await this.#end(restore) }, 'Ended a restore that was cut off');
    } catch (error) {
      log.error(
        { err: error, agentId },
        'The outcome of a restore is unknown; the next start tries again',
      );
    }
  }

  async #end(restore: RestoreRecord): Promise<'restored' | 'removed' | 'as before'> {
    const { store, agents, files } = this.#options;
    const { agentId, restoreId, isNewAgent, target } = restore;
    const placed =
      target !== undefined &&
      (await agents.withAgent(agentId, async ({ workspace }) => {
        await workspace.ready();
        return files.wasPlaced(agentId, restoreId);
      }));
    if (placed) {
      completeRestore(store, restore);
      return 'restored';
    }
    // An agent with a new turn stays.
    const isAwaited = store.turns.unfinished().some((turn) => turn.agentId === agentId);
    const isToGo = isNewAgent && !isAwaited && store.agents.get(agentId) !== undefined;
    if (isToGo) await agents.transition('remove', agentId, 'cleanup');
    store.restores.remove(agentId);
    return isToGo ? 'removed' : 'as before';
  }
}
