import type { Config } from '../../config/config.ts';
import type { AgentStatus } from '../agent.ts';

/** Seconds without a call until each transition; 0: never. */
export type LifeSettings = Pick<
  Config,
  'PAUSE_TIMEOUT' | 'SESSION_TIMEOUT' | 'ARCHIVE_TIMEOUT' | 'RETENTION_TIMEOUT'
>;

export type AgentLife = {
  status: AgentStatus;
  pinned: boolean;
  /** Whether calls are queued. */
  awaited: boolean;
  idleSince: Date;
};

/** The transitions away from idle, in order of depth. */
export const AGENT_TRANSITIONS = ['pause', 'stop', 'archive', 'remove'] as const;
export type AgentTransition = (typeof AGENT_TRANSITIONS)[number];

/** The number of transitions that an agent has behind it. */
const DEPTHS = { idle: 0, paused: 1, stopped: 2, archived: 3 } as const;

/** The deepest transition whose timeout has passed. */
export function dueTransition(
  agent: AgentLife,
  now: Date,
  settings: LifeSettings,
): AgentTransition | 'none' {
  const seconds = secondsUntil(agent, now, settings);
  return AGENT_TRANSITIONS.findLast((transition) => seconds[transition] === 0) ?? 'none';
}

/** Whether a transition is possible, regardless of timeouts. */
export function canTransition(transition: AgentTransition, agent: AgentLife): boolean {
  if (agent.status === 'busy' || agent.pinned || agent.awaited) return false;
  return AGENT_TRANSITIONS.indexOf(transition) >= DEPTHS[agent.status];
}

export function idleSecondsOf({ idleSince }: AgentLife, now: Date): number {
  return Math.max(0, (now.getTime() - idleSince.getTime()) / 1000);
}

/** Seconds without a call until each possible transition; absent: never. */
export function secondsUntil(
  agent: AgentLife,
  now: Date,
  settings: LifeSettings,
): Partial<Record<AgentTransition, number>> {
  const transitions = AGENT_TRANSITIONS.filter((transition) => canTransition(transition, agent));
  const idleSeconds = idleSecondsOf(agent, now);
  const ahead = transitions
    .map((transition) => [transition, timeoutOf(transition, settings)] as const)
    .filter(([, timeout]) => timeout > 0)
    .map(([transition, timeout]) => [transition, Math.max(0, Math.ceil(timeout - idleSeconds))]);
  return Object.fromEntries(ahead);
}

/** 0: never. */
export function timeoutOf(transition: AgentTransition, settings: LifeSettings): number {
  switch (transition) {
    case 'pause':
      return settings.PAUSE_TIMEOUT;
    case 'stop':
      return settings.SESSION_TIMEOUT;
    case 'archive':
      return settings.ARCHIVE_TIMEOUT;
    case 'remove':
      return settings.RETENTION_TIMEOUT;
    default:
      return transition satisfies never;
  }
}
