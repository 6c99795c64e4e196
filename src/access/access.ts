import type { AgentEvents } from '../agents/agent-events.ts';
import type { Approvals } from '../approvals/approvals.ts';
import type { Store } from '../store/store.ts';
import type { TurnService } from '../turns/turn-service.ts';
import { CallerAgents } from './caller-agents.ts';
import { CallerApprovals } from './caller-approvals.ts';
import { CallerTurns } from './caller-turns.ts';
import { Ownerships } from './ownership.ts';
import type { Principal } from './principal.ts';

type AccessOptions = {
  store: Store;
  turns: TurnService;
  approvals: Approvals;
  events: AgentEvents;
};

/** The way of callers to agents, turns and approvals: to each only what is its own and what its roles allow. */
export class Access {
  readonly #options: AccessOptions & { ownerships: Ownerships };

  constructor(options: AccessOptions) {
    this.#options = { ...options, ownerships: new Ownerships(options.store.agents) };
  }

  agents(principal: Principal): CallerAgents {
    return new CallerAgents(this.#options, principal);
  }

  turns(principal: Principal): CallerTurns {
    return new CallerTurns(this.#options, principal);
  }

  approvals(principal: Principal): CallerApprovals {
    return new CallerApprovals(this.#options, principal);
  }
}
