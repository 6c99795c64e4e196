import type Docker from 'dockerode';
import type { BenchContext } from './bench-context.ts';
import { measureCold } from './cold.ts';
import { measureCommits } from './commits.ts';
import { measureEgress } from './egress.ts';
import { measureGit } from './git.ts';
import { measureMemory } from './memory.ts';
import { measureParallel } from './parallel.ts';
import { measureRecovery } from './recovery.ts';
import type { Section } from './section.ts';
import { measureSessions } from './sessions.ts';
import { measureWake } from './wake.ts';
import { measureWarm } from './warm.ts';

export const PARTS = [
  'warm',
  'wake',
  'cold',
  'memory',
  'parallel',
  'sessions',
  'recovery',
  'egress',
  'git',
  'commits',
] as const;
export type Part = (typeof PARTS)[number];

/** Answers nothing where a part needs an engine and there is none. */
type Measurement = (context: BenchContext) => Promise<Section[]>;

export const MEASUREMENTS: Record<Part, Measurement> = {
  warm: measureWarm,
  wake: withEngine(measureWake),
  cold: withEngine(measureCold),
  memory: withEngine(measureMemory),
  parallel: measureParallel,
  sessions: measureSessions,
  recovery: withEngine(measureRecovery),
  egress: measureEgress,
  git: withEngine(measureGit),
  commits: withEngine(measureCommits),
};

function withEngine(
  measure: (context: BenchContext, docker: Docker) => Promise<Section[]>,
): Measurement {
  return async (context) => (context.docker ? measure(context, context.docker) : []);
}
