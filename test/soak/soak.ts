/**
 * Uses the real server hard for a while and looks at what is lost or left afterwards.
 *
 *     npm run soak -- [--minutes 10] [--seed 7] [--agents 50] [--runtime docker|process]
 *       [--callers 12] [--server-kills 60] [--container-kills 15] [--json FILE] [--log FILE]
 *
 * Kills come every so many seconds on average; 0 stands for never. Ends with status 1 if anything
 * is lost or left.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { RUNTIME_KINDS } from '../../src/runtime/container-runtime.ts';
import { ensureEngine } from '../setup/engine.ts';
import { endlessJobs } from './job.ts';
import { formatReport, isClean, reportOf } from './report.ts';
import { runSoak } from './run-soak.ts';

const EXIT_USAGE = 2;

const optionsSchema = z.object({
  minutes: z.coerce.number().positive().max(100_000),
  seed: z.coerce.number().int(),
  agents: z.coerce.number().int().min(1).max(999),
  runtime: z.enum(RUNTIME_KINDS),
  callers: z.coerce.number().int().min(1).max(200),
  'server-kills': z.coerce.number().min(0),
  'container-kills': z.coerce.number().min(0),
  json: z.string().min(1).optional(),
  log: z.string().min(1).optional(),
});
type Options = z.output<typeof optionsSchema>;

const isGood = await run(readOptions());
// A client whose server died under it may still try to come back.
process.exit(isGood ? 0 : 1);

async function run(options: Options): Promise<boolean> {
  const { minutes, seed, agents, runtime, callers, json } = options;
  if (runtime === 'docker') await assertEngine();
  say(`${minutes} min, seed ${seed}, ${agents} agents, ${callers} callers, ${runtime} runtime`);
  const outcome = await runSoak({
    runtime,
    seed,
    callers,
    jobs: endlessJobs(seed, agents, AbortSignal.timeout(minutes * 60_000)),
    serverKillsEvery: options['server-kills'],
    containerKillsEvery: options['container-kills'],
    logFile: options.log,
  });
  const report = reportOf(outcome);
  say(formatReport(report));
  if (json) await writeFile(json, JSON.stringify({ options, ...report }, null, 1));
  return isClean(report);
}

async function assertEngine(): Promise<void> {
  const engine = await ensureEngine((line) => process.stderr.write(`[engine] ${line}\n`));
  if (!engine.available) throw new Error(`There is no Docker engine: ${engine.reason}`);
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string', default: '7' },
      agents: { type: 'string', default: '50' },
      runtime: { type: 'string', default: 'docker' },
      callers: { type: 'string', default: '12' },
      'server-kills': { type: 'string', default: '60' },
      'container-kills': { type: 'string', default: '15' },
      json: { type: 'string' },
      log: { type: 'string' },
    },
  });
  const parsed = optionsSchema.safeParse(values);
  if (parsed.success) return parsed.data;
  process.stderr.write(`${z.prettifyError(parsed.error)}\n`);
  process.exit(EXIT_USAGE);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
