import { expect, test } from 'vitest';
import type { AgentLife } from '../../../src/agents/life/agent-life.ts';
import {
  checkSeconds,
  type SentWarnings,
  transitionOfRound,
  type Warning,
  warningsOf,
} from '../../../src/agents/life/expiry-warning.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const settings = {
  PAUSE_TIMEOUT: 10,
  SESSION_TIMEOUT: 600,
  ARCHIVE_TIMEOUT: 1200,
  RETENTION_TIMEOUT: 1800,
  EXPIRY_WARNING: 60,
};

function idle(life: Partial<AgentLife> = {}): AgentLife {
  return { status: 'idle', pinned: false, awaited: false, idleSince: at(0), ...life };
}

function at(seconds: number): Date {
  return new Date(START + seconds * 1000);
}

/** A look at `now`, where the reaper comes every minute. */
function look(now: number) {
  const next = (Math.floor(now / 60) + 1) * 60;
  return { now: at(now), rounds: [at(next), at(next + 60)] };
}

function warned(agent: AgentLife, now: number, sent?: SentWarnings, changed = {}): Warning[] {
  return warningsOf(agent, sent, look(now), { ...settings, ...changed }).warnings;
}

test('a step is told of before the round that takes it, and once', () => {
  // Due at 590, taken at 600.
  const agent = idle({ idleSince: at(-10) });
  expect(warned(agent, 529)).toEqual([]);
  const { warnings, sent } = warningsOf(agent, undefined, look(533.5), settings);
  expect(warnings).toEqual([{ transition: 'stop', inSeconds: 66 }]);
  expect(warned(agent, 538, sent)).toEqual([]);
  expect(warned(agent, 599, sent)).toEqual([]);
});

test('a time of day that is adjusted from look to look takes no warning back', () => {
  let sent: SentWarnings | undefined;
  const all: Warning[] = [];
  for (let now = 1640; now < 1860; now += 5) {
    const agent = idle({ status: 'archived', idleSince: new Date(START + now / 5) });
    const next = warningsOf(agent, sent, look(now), settings);
    all.push(...next.warnings);
    sent = next.sent;
  }
  expect(all.map(({ transition }) => transition)).toEqual(['remove']);
  const end = idle({ status: 'archived', idleSince: new Date(START + 372) });
  expect(transitionOfRound(end, sent, at(1865), settings)).toBe('remove');
});

test('each step has a warning of its own', () => {
  const stop = warningsOf(idle(), undefined, look(540), settings);
  const stopped = idle({ status: 'stopped' });
  const archive = warningsOf(stopped, stop.sent, look(1140), settings);
  const archived = idle({ status: 'archived' });
  const remove = warningsOf(archived, archive.sent, look(1740), settings);
  expect([stop, archive, remove].map(({ warnings }) => warnings)).toEqual([
    [{ transition: 'stop', inSeconds: 60 }],
    [{ transition: 'archive', inSeconds: 60 }],
    [{ transition: 'remove', inSeconds: 60 }],
  ]);
  expect(warned(archived, 1750, remove.sent)).toEqual([]);
});

test('of steps that one round takes together, the deepest is told', () => {
  const together = { SESSION_TIMEOUT: 590, ARCHIVE_TIMEOUT: 600 };
  expect(warned(idle(), 540, undefined, together)).toEqual([
    { transition: 'archive', inSeconds: 60 },
  ]);
});

test('a pause is not told of', () => {
  expect(warned(idle(), 5)).toEqual([]);
});

test.each([
  ['works', { status: 'busy' }],
  ['is pinned', { pinned: true }],
  ['has calls waiting', { awaited: true }],
] as const)('nothing is sent of an agent that %s, and what was sent is forgotten', (_how, life) => {
  const { sent } = warningsOf(idle(), undefined, look(540), settings);
  const kept = warningsOf(idle(life), sent, look(545), settings);
  expect(kept).toMatchObject({ warnings: [], sent: { earliest: {} } });
  expect(warned(idle(), 550, kept.sent)).toEqual([{ transition: 'stop', inSeconds: 50 }]);
});

test('after a call the next idle period has its own warning', () => {
  const { sent } = warningsOf(idle(), undefined, look(540), settings);
  const again = idle({ idleSince: at(550) });
  expect(warned(again, 560, sent)).toEqual([]);
  expect(warned(again, 1140, sent)).toEqual([{ transition: 'stop', inSeconds: 60 }]);
});

test('0 tells nothing and holds nothing up', () => {
  const silent = { ...settings, EXPIRY_WARNING: 0 };
  expect(warned(idle(), 540, undefined, silent)).toEqual([]);
  expect(transitionOfRound(idle(), undefined, at(1800), silent)).toBe('remove');
});

test('a step that is never taken is not told of', () => {
  const never = { ARCHIVE_TIMEOUT: 0, RETENTION_TIMEOUT: 0 };
  expect(warned(idle({ status: 'stopped' }), 99_999, undefined, never)).toEqual([]);
});

test('nothing is removed before its warning is over, however long it is due', () => {
  const due = idle({ status: 'archived' });
  const decided = (now: number, sent?: SentWarnings) =>
    transitionOfRound(due, sent, at(now), settings);
  expect(decided(60_000)).toBe('none');
  // The next round would come too soon, and the one after that is still far.
  const first = warningsOf(due, undefined, look(60_005), settings);
  expect(first.warnings).toEqual([]);
  const second = warningsOf(due, first.sent, look(60_055), settings);
  expect(second.warnings).toEqual([{ transition: 'remove', inSeconds: 65 }]);
  expect(decided(60_060, second.sent)).toBe('none');
  expect(decided(60_120, second.sent)).toBe('remove');
});

test('where a removal has to wait for its warning, what comes before it is taken', () => {
  expect(transitionOfRound(idle(), undefined, at(50_000), settings)).toBe('archive');
});

test('a removal after less time than a warning takes waits for as long again', () => {
  const short = { RETENTION_TIMEOUT: 2 };
  expect(warned(idle(), 1, undefined, short)).toEqual([{ transition: 'remove', inSeconds: 59 }]);
  const { warnings } = warningsOf(
    idle(),
    undefined,
    { now: at(1), rounds: [at(1.5), at(2.5)] },
    { ...settings, ...short },
  );
  expect(warnings).toEqual([{ transition: 'remove', inSeconds: 2 }]);
});

test('an agent that was told of its removal, then pinned and unpinned, is told again', () => {
  const due = idle({ status: 'archived' });
  const { sent } = warningsOf(due, undefined, look(1740), settings);
  expect(transitionOfRound(due, sent, at(1800), settings)).toBe('remove');
  const pinned = warningsOf({ ...due, pinned: true }, sent, look(1745), settings);
  expect(transitionOfRound(due, pinned.sent, at(99_960), settings)).toBe('none');
});

const RHYTHMS = [
  { every: 1, warning: 60, timeout: 600 },
  { every: 1, warning: 600, timeout: 3600 },
  { every: 10, warning: 60, timeout: 600 },
  { every: 60, warning: 60, timeout: 600 },
  { every: 60, warning: 3, timeout: 90 },
  { every: 3600, warning: 60, timeout: 600 },
  { every: 86_400, warning: 60, timeout: 7200 },
];

test.each(RHYTHMS)(
  'with a round each $every s, one is sent $warning s before, and not much earlier',
  (rhythm) => {
    const { every, warning } = rhythm;
    const early = 3 * checkSeconds({ EXPIRY_WARNING: warning });
    // Where rounds are close to each other it is not worked out which of them it will be.
    const latest = warning + early + (every <= warning ? every : 0);
    for (const step of ['stop', 'remove'] as const) {
      for (const idleFrom of [0, 0.3, 7.7, 29, 59.9, 3000, 80_000]) {
        const lead = leadOf(step, idleFrom, rhythm);
        expect(lead, `${step}, idle from ${idleFrom}`).toBeGreaterThanOrEqual(warning);
        expect(lead, `${step}, idle from ${idleFrom}`).toBeLessThan(latest);
      }
    }
  },
);

/** Seconds from the warning to the round that takes the step, with looks and rounds as they come. */
function leadOf(
  step: 'stop' | 'remove',
  idleFrom: number,
  { every, warning, timeout }: (typeof RHYTHMS)[number],
): number {
  const never = { PAUSE_TIMEOUT: 0, SESSION_TIMEOUT: 0, ARCHIVE_TIMEOUT: 0, RETENTION_TIMEOUT: 0 };
  const setting = step === 'stop' ? 'SESSION_TIMEOUT' : 'RETENTION_TIMEOUT';
  const life = { ...never, [setting]: timeout, EXPIRY_WARNING: warning };
  const agent = idle({ idleSince: at(idleFrom) });
  const pace = checkSeconds(life);
  let round = Math.ceil((idleFrom + timeout) / every) * every;
  let sent: SentWarnings | undefined;
  let toldAt = Number.NaN;
  for (let now = round - warning - 5 * pace; now < round; now += pace) {
    const next = (Math.floor(now / every) + 1) * every;
    const check = { now: at(now), rounds: [at(next), at(next + every)] };
    const seen = warningsOf(agent, sent, check, life);
    sent = seen.sent;
    if (seen.warnings.length > 0) toldAt = now;
  }
  const last = round + 3 * every + timeout;
  while (transitionOfRound(agent, sent, at(round), life) !== step && round < last) round += every;
  return round - toldAt;
}
