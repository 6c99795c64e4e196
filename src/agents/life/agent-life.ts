import type { Config } from '../../config/config.ts';
import type { AgentStatus } from '../agent.ts';

/** Seconds without a call until each step; 0 stands for never. */
export type LifeSettings = Pick<
  Config,
  'PAUSE_TIMEOUT' | 'SESSION_TIMEOUT' | 'ARCHIVE_TIMEOUT' | 'RETENTION_TIMEOUT'
>;

/** What the end of an agent's life depends on. */
export type AgentLife = {
  status: AgentStatus;
  pinned: boolean;
  /** Whether calls wait for it. */
  awaited: boolean;
  /** When it was last used. */
  idleSince: Date;
};

/** The ways down from idle, each deeper than the one before. */
export const AGENT_TRANSITIONS = ['pause', 'stop', 'archive', 'remove'] as const;
export type AgentTransition = (typeof AGENT_TRANSITIONS)[number];

/** How deep an agent sleeps already: the number of steps that lie behind it. */
const DEPTHS = { idle: 0, paused: 1, stopped: 2, archived: 3 } as const;

/** What is due for an agent now: the deepest step whose time has come. */
export function dueTransition(
  agent: AgentLife,
  now: Date,
  settings: LifeSettings,
): AgentTransition | 'none' {
  const seconds = secondsUntil(agent, now, settings);
  return AGENT_TRANSITIONS.findLast((transition) => seconds[transition] === 0) ?? 'none';
}

/** Whether a step lies ahead of an agent at all, however short it was idle. */
export function canTransition(transition: AgentTransition, agent: AgentLife): boolean {
  if (agent.status === 'busy' || agent.pinned || agent.awaited) return false;
  return AGENT_TRANSITIONS.indexOf(transition) >= DEPTHS[agent.status];
}

export function idleSecondsOf({ idleSince }: AgentLife, now: Date): number {
  return Math.max(0, (now.getTime() - idleSince.getTime()) / 1000);
}

/** Seconds until each step that lies before an agent, if nobody calls. Absent: never, or it is past. */
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

/** Seconds without a call until a step; 0 stands for never. */
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
