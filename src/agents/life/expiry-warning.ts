import type { Config } from '../../config/config.ts';
import { ENDING_STEPS, type EndingStep } from '../agent-events.ts';
import {
  AGENT_STEPS,
  type AgentLife,
  type AgentStep,
  type LifeSettings,
  mayTake,
  nextStep,
  timeoutOf,
} from './agent-life.ts';

const LONGEST_CHECK_SECONDS = 5;
/** The same moment differs by this much at most from look to look, as the time of day is adjusted. */
const CLOCK_DRIFT_MS = 1000;

export type ExpirySettings = LifeSettings & Pick<Config, 'EXPIRY_WARNING'>;

/** What was told of an agent in the idle period that it is in. Times are milliseconds since the epoch. */
export type Told = {
  idleSince: number;
  /** Before this, the step is not taken. */
  earliest: Partial<Record<EndingStep, number>>;
};

/** When warnings are looked for: now, and what the reaper's next rounds are, in order. */
export type Check = { now: Date; rounds: readonly Date[] };

export type Warning = { step: EndingStep; inSeconds: number };

/** Seconds between two looks for what to warn of; a warning comes by up to two of them too early. */
export function checkSeconds({ EXPIRY_WARNING }: Pick<Config, 'EXPIRY_WARNING'>): number {
  return Math.min(LONGEST_CHECK_SECONDS, EXPIRY_WARNING / 4);
}

/**
 * What is to be told of an agent now, each step once in an idle period: those that the reaper takes
 * within the time of the warning. With what will have been told by then.
 */
export function warningsOf(
  agent: AgentLife,
  told: Told | undefined,
  check: Check,
  settings: ExpirySettings,
): { warnings: Warning[]; told: Told } {
  const current = toldNow(agent, told);
  const now = check.now.getTime();
  const within = (settings.EXPIRY_WARNING + 2 * checkSeconds(settings)) * 1000;
  const ahead = stepsAhead(agent, current, check, settings);
  const warnings = ahead
    .filter(({ step, at }) => at - now <= within && current.earliest[step] === undefined)
    .map(({ step, at }) => ({ step, inSeconds: Math.floor((at - now) / 1000) }));
  const fresh = warnings.map(({ step, inSeconds }) => [step, now + inSeconds * 1000]);
  const earliest = { ...current.earliest, ...Object.fromEntries(fresh) };
  return { warnings, told: { ...current, earliest } };
}

/** What a round of the reaper takes now: what is due. Nothing is removed before its warning is over. */
export function stepOfRound(
  agent: AgentLife,
  told: Told | undefined,
  now: Date,
  settings: ExpirySettings,
): AgentStep | 'none' {
  const step = nextStep(agent, now, settings);
  if (step !== 'remove' || settings.EXPIRY_WARNING === 0) return step;
  const earliest = toldNow(agent, told).earliest.remove ?? Number.POSITIVE_INFINITY;
  if (earliest <= now.getTime()) return step;
  return nextStep(agent, now, { ...settings, RETENTION_TIMEOUT: 0 });
}

/** Nothing, once the agent was used or pinned: what was told then has not come true. */
function toldNow(agent: AgentLife, told: Told | undefined): Told {
  const idleSince = agent.idleSince.getTime();
  const isSamePeriod = told && Math.abs(told.idleSince - idleSince) <= CLOCK_DRIFT_MS;
  return { idleSince, earliest: isSamePeriod && mayTake('remove', agent) ? told.earliest : {} };
}

/** The steps that will be seen, with the round that takes each; a deeper one takes others along. */
function stepsAhead(
  agent: AgentLife,
  told: Told,
  { now, rounds }: Check,
  settings: ExpirySettings,
): { step: EndingStep; at: number }[] {
  if (settings.EXPIRY_WARNING === 0) return [];
  const steps = ENDING_STEPS.filter(
    (step) => mayTake(step, agent) && timeoutOf(step, settings) > 0,
  );
  const ahead = steps.map((step) => {
    const due = Math.max(dueAt(step, agent, settings), graceEnd(step, told, now, settings));
    const round = rounds.find((each) => each.getTime() >= due);
    return { step, at: Math.max(round?.getTime() ?? due, now.getTime()) };
  });
  return ahead.filter(
    ({ step, at }) => !ahead.some((other) => isDeeper(other.step, step) && other.at <= at),
  );
}

function dueAt(step: EndingStep, { idleSince }: AgentLife, settings: ExpirySettings): number {
  return idleSince.getTime() + timeoutOf(step, settings) * 1000;
}

/** Work is deleted only a while after the warning, however long the agent has been due. */
function graceEnd(step: EndingStep, told: Told, now: Date, settings: ExpirySettings): number {
  if (step !== 'remove') return 0;
  const grace = Math.min(settings.EXPIRY_WARNING, settings.RETENTION_TIMEOUT);
  return told.earliest.remove ?? now.getTime() + grace * 1000;
}

function isDeeper(one: AgentStep, other: AgentStep): boolean {
  return AGENT_STEPS.indexOf(one) > AGENT_STEPS.indexOf(other);
}
