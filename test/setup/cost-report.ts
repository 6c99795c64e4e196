import type { Reporter, TestModule } from 'vitest/node';
import { readUnit } from './raw-run.ts';

const SHOWN = 15;

/**
 * Ends a run with what it cost: the dearest files, in seconds and in raw runs, and every test that
 * passed only when it was tried again.
 */
export class CostReport implements Reporter {
  readonly #startedAt = Date.now();

  onTestRunEnd(modules: readonly TestModule[]): void {
    const unit = readUnit();
    const inUnits = (ms: number) => (unit === undefined ? '' : ` ${Math.round(ms / unit)} runs`);
    const show = (ms: number) => `${(ms / 1000).toFixed(1)} s${inUnits(ms)}`;
    const costs = modules.map((module) => ({ module, ms: costOf(module) }));
    const dearest = costs.toSorted((one, other) => other.ms - one.ms).slice(0, SHOWN);
    const lines = [
      '',
      `Dearest files (a raw run, from docker run to Codex's first answer: ${unit === undefined ? 'not measured' : `${Math.round(unit)} ms`})`,
      ...dearest.map(({ module, ms }) => `  ${show(ms).padEnd(18)} ${module.relativeModuleId}`),
      `All of it: ${show(Date.now() - this.#startedAt)}`,
      ...modules.flatMap(retriedIn).map((name) => `Retried: ${name}`),
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  }
}

/** With what it took to load the file and what stands around its tests, in milliseconds. */
function costOf(module: TestModule): number {
  const { collectDuration, setupDuration, duration } = module.diagnostic();
  return collectDuration + setupDuration + duration;
}

function retriedIn(module: TestModule): string[] {
  return [...module.children.allTests()]
    .filter((test) => (test.diagnostic()?.retryCount ?? 0) > 0)
    .map((test) => `${module.relativeModuleId} > ${test.fullName} (${test.result().state})`);
}
