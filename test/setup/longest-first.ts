import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take half a minute or more on a quiet machine, the longest first. */
const LONG = [
  'compose',
  'docker-runtime.integration',
  'lifecycle',
  'bad-days',
  'demo.integration',
  'package.integration',
  'candidates',
  'portable-snapshots',
  'killed-server',
  'escape',
  'guard-contract.integration',
  'docker-contract.integration',
  'warm-pool.integration',
  'real-codex.integration',
  'main-job',
  'leaks',
  'codex-tools',
  'stdio-embedded.integration',
  'agent-manager.integration',
  'doctor.integration',
  'read-only',
];

/** Begins with what takes long, so that no worker is left with it at the end. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.sort((one, other) => rank(one) - rank(other));
  }
}

function rank({ moduleId }: TestSpecification): number {
  const place = LONG.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
  return place === -1 ? LONG.length : place;
}
