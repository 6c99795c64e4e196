import type { Logger } from 'pino';
import type { ErrorCode } from '../errors.ts';
import type { EgressDenial } from '../gateway/egress/egress-proxy.ts';
import type { AgentId, Named } from '../identity/agent-id.ts';
import type { AgentTransition } from './life/agent-life.ts';

/**
 * Why an agent makes a transition. `idle`: a timeout without a call; `eviction`: the capacity is needed for
 * another agent; `cleanup`: a caller's request; `halt`: its turn was cancelled or failed; `shutdown`.
 */
export type TransitionReason = 'idle' | 'eviction' | 'cleanup' | 'halt' | 'shutdown';

/** The transitions that callers are warned of: a pause loses nothing. */
export const ENDING_TRANSITIONS = [
  'stop',
  'archive',
  'remove',
] as const satisfies readonly AgentTransition[];
export type EndingTransition = (typeof ENDING_TRANSITIONS)[number];

/** The status that an agent wakes from. */
export type DormantStatus = 'new' | 'paused' | 'stopped' | 'archived';

/** What happens to agents, apart from their turns. */
export type AgentEvent =
  /** Without a call, the transition follows after `inSeconds` at the earliest. */
  | {
      type: 'agent_expiring';
      agentId: AgentId;
      transition: EndingTransition;
      inSeconds: number;
      reason: TransitionReason;
    }
  | { type: 'agent_taken'; agentId: AgentId; transition: AgentTransition; reason: TransitionReason }
  | { type: 'agent_woken'; agentId: AgentId; from: DormantStatus }
  /** A wake or a transition failed, or the container stopped by itself. */
  | { type: 'agent_failed'; agentId: AgentId; code: ErrorCode }
  /** A denied connection of the agent; at most one event per host and minute. */
  | ({ type: 'egress_denied' } & EgressDenial);

/** Delivers the events of agents to listeners. */
export class AgentEvents {
  readonly #listeners = new Set<(event: AgentEvent) => void>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  emit(event: AgentEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        // A listener must not affect the agent.
        this.#log.error({ err: error, event: event.type }, 'A listener of agent events failed');
      }
    }
  }

  /** Returns a function that unsubscribes. */
  listen(listener: (event: AgentEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** The fields of an event on the wire, besides its type. */
export function agentEventData(event: Named<AgentEvent>): Record<string, unknown> {
  const agent_id = event.agentName;
  switch (event.type) {
    case 'agent_expiring': {
      const { transition, inSeconds, reason } = event;
      return { agent_id, step: transition, in_seconds: inSeconds, reason };
    }
    case 'agent_taken':
      return { agent_id, step: event.transition, reason: event.reason };
    case 'agent_woken':
      return { agent_id, from: event.from };
    case 'agent_failed':
      return { agent_id, code: event.code };
    case 'egress_denied': {
      const { method, host, port, reason, howToAllow } = event;
      return { agent_id, method, host, port, reason, how_to_allow: howToAllow };
    }
    default:
      return event satisfies never;
  }
}
