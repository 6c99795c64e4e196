import type { Config } from '../../config/config.ts';
import { ENDING_TRANSITIONS, type EndingTransition } from '../agent-events.ts';
import {
  AGENT_TRANSITIONS,
  type AgentLife,
  type AgentTransition,
  canTransition,
  dueTransition,
  type LifeSettings,
  timeoutOf,
} from './agent-life.ts';

const LONGEST_CHECK_SECONDS = 5;
/** Maximum adjustment of the time of day between two checks. */
const CLOCK_DRIFT_MS = 1000;

export type ExpirySettings = LifeSettings & Pick<Config, 'EXPIRY_WARNING'>;

/** The warnings of an agent in its present idle period. Times are in milliseconds since the epoch. */
export type SentWarnings = {
  idleSince: number;
  /** Announced time of each transition. */
  earliest: Partial<Record<EndingTransition, number>>;
};

/** The time of a check, and the next rounds of the reaper in order. */
export type Check = { now: Date; rounds: readonly Date[] };

export type Warning = { transition: EndingTransition; inSeconds: number };

/** Seconds between two checks; a warning is up to two intervals early. */
export function checkSeconds({ EXPIRY_WARNING }: Pick<Config, 'EXPIRY_WARNING'>): number {
  return Math.min(LONGEST_CHECK_SECONDS, EXPIRY_WARNING / 4);
}

/**
 * The due warnings: one per transition and idle period, for transitions of the reaper within the warning
 * time.
 */
export function warningsOf(
  agent: AgentLife,
  sent: SentWarnings | undefined,
  check: Check,
  settings: ExpirySettings,
): { warnings: Warning[]; sent: SentWarnings } {
  const current = sentInPeriod(agent, sent);
  const now = check.now.getTime();
  const within = (settings.EXPIRY_WARNING + 2 * checkSeconds(settings)) * 1000;
  const ahead = stepsAhead(agent, current, check, settings);
  const warnings = ahead
    .filter(
      ({ transition, at }) => at - now <= within && current.earliest[transition] === undefined,
    )
    .map(({ transition, at }) => ({ transition, inSeconds: Math.floor((at - now) / 1000) }));
  const fresh = warnings.map(({ transition, inSeconds }) => [transition, now + inSeconds * 1000]);
  const earliest = { ...current.earliest, ...Object.fromEntries(fresh) };
  return { warnings, sent: { ...current, earliest } };
}

/** The due transition; a removal only after its announced time. */
export function transitionOfRound(
  agent: AgentLife,
  sent: SentWarnings | undefined,
  now: Date,
  settings: ExpirySettings,
): AgentTransition | 'none' {
  const transition = dueTransition(agent, now, settings);
  if (transition !== 'remove' || settings.EXPIRY_WARNING === 0) return transition;
  const earliest = sentInPeriod(agent, sent).earliest.remove ?? Number.POSITIVE_INFINITY;
  if (earliest <= now.getTime()) return transition;
  return dueTransition(agent, now, { ...settings, RETENTION_TIMEOUT: 0 });
}

/** Drops the warnings of an earlier idle period, and those of a pinned agent. */
function sentInPeriod(agent: AgentLife, sent: SentWarnings | undefined): SentWarnings {
  const idleSince = agent.idleSince.getTime();
  const isSamePeriod = sent && Math.abs(sent.idleSince - idleSince) <= CLOCK_DRIFT_MS;
  return {
    idleSince,
    earliest: isSamePeriod && canTransition('remove', agent) ? sent.earliest : {},
  };
}

/** The coming transitions with their rounds; a deeper one in the same round replaces others. */
function stepsAhead(
  agent: AgentLife,
  sent: SentWarnings,
  { now, rounds }: Check,
  settings: ExpirySettings,
): { transition: EndingTransition; at: number }[] {
  if (settings.EXPIRY_WARNING === 0) return [];
  const transitions = ENDING_TRANSITIONS.filter(
    (transition) => canTransition(transition, agent) && timeoutOf(transition, settings) > 0,
  );
  const ahead = transitions.map((transition) => {
    const due = Math.max(
      dueAt(transition, agent, settings),
      graceEnd(transition, sent, now, settings),
    );
    const round = rounds.find((each) => each.getTime() >= due);
    return { transition, at: Math.max(round?.getTime() ?? due, now.getTime()) };
  });
  return ahead.filter(
    ({ transition, at }) =>
      !ahead.some((other) => isDeeper(other.transition, transition) && other.at <= at),
  );
}

function dueAt(
  transition: EndingTransition,
  { idleSince }: AgentLife,
  settings: ExpirySettings,
): number {
  return idleSince.getTime() + timeoutOf(transition, settings) * 1000;
}

/** A removal waits for its warning, however long it has been due. */
function graceEnd(
  transition: EndingTransition,
  sent: SentWarnings,
  now: Date,
  settings: ExpirySettings,
): number {
  if (transition !== 'remove') return 0;
  const grace = Math.min(settings.EXPIRY_WARNING, settings.RETENTION_TIMEOUT);
  return sent.earliest.remove ?? now.getTime() + grace * 1000;
}

function isDeeper(one: AgentTransition, other: AgentTransition): boolean {
  return AGENT_TRANSITIONS.indexOf(one) > AGENT_TRANSITIONS.indexOf(other);
}
