import type { Logger } from 'pino';
import type { ErrorCode } from '../errors.ts';
import type { EgressDenial } from '../gateway/egress/egress-proxy.ts';
import type { AgentTransition } from './life/agent-life.ts';

/**
 * Why an agent is taken a step down: nobody called for its time; its place goes to another agent;
 * somebody cleans up; its turn was cancelled or failed, and what it started is killed; the server
 * stops.
 */
export type TransitionReason = 'idle' | 'eviction' | 'cleanup' | 'halt' | 'shutdown';

/** The steps that end something. What a pause freezes goes on as if nothing had happened. */
export const ENDING_TRANSITIONS = [
  'stop',
  'archive',
  'remove',
] as const satisfies readonly AgentTransition[];
export type EndingTransition = (typeof ENDING_TRANSITIONS)[number];

/** What an agent wakes from; `new`: it never ran. */
export type DormantStatus = 'new' | 'paused' | 'stopped' | 'archived';

/** What happens to agents, apart from their turns. */
export type AgentEvent =
  /** If nobody calls, the step is taken in so many seconds, not earlier; 0: now. */
  | {
      type: 'agent_expiring';
      agentId: string;
      transition: EndingTransition;
      inSeconds: number;
      reason: TransitionReason;
    }
  | { type: 'agent_taken'; agentId: string; transition: AgentTransition; reason: TransitionReason }
  | { type: 'agent_woken'; agentId: string; from: DormantStatus }
  /** It did not wake, a step failed, or its container ended by itself. */
  | { type: 'agent_failed'; agentId: string; code: ErrorCode }
  /** It tried to reach a host that it may not; of each host at most once a minute. */
  | ({ type: 'egress_denied' } & EgressDenial);

/** Carries the events of agents from where they happen to whoever listens. */
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
        // What happens to the agent does not depend on who hears of it.
        this.#log.error({ err: error, event: event.type }, 'An agent event was not taken');
      }
    }
  }

  /** Hears every event from now on; call what is returned to stop. */
  listen(listener: (event: AgentEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** What clients are told of an event, besides its type. */
export function agentEventData(event: AgentEvent): Record<string, unknown> {
  const agent_id = event.agentId;
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
