import type { Logger } from 'pino';
import type { AgentId } from '../../identity/agent-id.ts';
import type { AgentManager } from '../agent-manager.ts';
import type { AgentStore } from '../agent-store.ts';
import type { AgentLife, AgentTransition } from './agent-life.ts';
import {
  type ExpirySettings,
  type SentWarnings,
  transitionOfRound,
  warningsOf,
} from './expiry-warning.ts';

type WarnerOptions = {
  agents: AgentManager;
  store: { readonly agents: AgentStore };
  config: ExpirySettings;
  log: Logger;
};

/** Emits warnings before the reaper's transitions of idle agents. */
export class ExpiryWarner {
  readonly #options: WarnerOptions;
  #sent: ReadonlyMap<AgentId, SentWarnings> = new Map();

  constructor(options: WarnerOptions) {
    this.#options = options;
  }

  /** Emits due warnings; `rounds` are the next ones of the reaper. Never throws. */
  check(rounds: readonly Date[]): void {
    try {
      this.#check(rounds);
    } catch (error) {
      this.#options.log.error({ err: error }, 'Expiry warnings failed; the next check retries');
    }
  }

  /** The transition of an agent in a round of the reaper. */
  dueTransition(agentId: AgentId, life: AgentLife): AgentTransition | 'none' {
    return transitionOfRound(life, this.#sent.get(agentId), new Date(), this.#options.config);
  }

  #check(rounds: readonly Date[]): void {
    const { agents, store, config, log } = this.#options;
    const now = new Date();
    const sent = new Map<AgentId, SentWarnings>();
    for (const record of store.agents.list()) {
      const { agentId } = record;
      const life = agents.lifeOf(record);
      const next = warningsOf(life, this.#sent.get(agentId), { now, rounds }, config);
      sent.set(agentId, next.sent);
      for (const warning of next.warnings) {
        log.info({ agentId, ...warning }, 'An idle agent is about to expire');
        agents.events.emit({ type: 'agent_expiring', agentId, ...warning, reason: 'idle' });
      }
    }
    this.#sent = sent;
  }
}
