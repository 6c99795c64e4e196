/**
 * Measures the product next to bare Codex, in one run, with everything real but the model.
 *
 *     npm run bench -- [--only warm,wake,…] [--rounds 50] [--agents 100] [--json FILE] [--markdown FILE]
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import Docker from 'dockerode';
import { z } from 'zod';
import { ensureEngine } from '../setup/engine.ts';
import type { BenchContext } from './bench-context.ts';
import { describeMachine, formatMachine } from './machine.ts';
import { ModelProbe } from './model-probe.ts';
import { MEASUREMENTS, PARTS, type Part } from './parts.ts';
import { type Report, writeJson, writeMarkdown } from './report.ts';
import type { Section } from './section.ts';
import { formatSection } from './table.ts';

const RESULTS = path.join(import.meta.dirname, '../../bench-results/latest.json');
const EXIT_INTERRUPTED = 130;
/** Their turns are listed in one call. */
const MOST_AGENTS = 200;

const optionsSchema = z.object({
  rounds: z.coerce.number().int().min(1).max(10_000),
  agents: z.coerce.number().int().min(1).max(MOST_AGENTS),
  only: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(PARTS)).min(1)),
  json: z.string().min(1),
  markdown: z.string().min(1).optional(),
});
type Options = z.output<typeof optionsSchema>;

const options = readOptions();
const interruption = new AbortController();
const cleanup = new AsyncDisposableStack();
// Whoever reads the table may leave early, as `head` does; what was made must be removed all the same.
process.stdout.on('error', () => undefined);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void interrupt());
try {
  await run(options);
} catch (error) {
  if (!interruption.signal.aborted) throw error;
} finally {
  await cleanup.disposeAsync();
}
// With the exit code of a part that failed.
if (!interruption.signal.aborted) process.exit();

async function run({ only, json, markdown, ...sizes }: Options): Promise<void> {
  const startedAt = new Date();
  const docker = await findEngine();
  const machine = await describeMachine(docker);
  say(`${formatMachine(machine)}\n`);
  const model = await ModelProbe.start(cleanup);
  const context = { docker, model, cleanup, interrupted: interruption.signal, ...sizes };
  const parts: Report['parts'] = {};
  for (const part of PARTS.filter((one) => only.includes(one))) {
    parts[part] = await measure(part, context);
    for (const section of parts[part]) say(formatSection(section));
  }
  const seconds = Math.round((Date.now() - startedAt.getTime()) / 1000);
  const report = { startedAt, seconds, machine, ...sizes, parts };
  await writeJson(json, report);
  if (markdown !== undefined) await writeMarkdown(markdown, report);
  say(`${seconds} s. All samples: ${json}`);
}

/** A part that fails does not cost the others their results. */
async function measure(part: Part, context: BenchContext): Promise<Section[]> {
  try {
    const sections = await MEASUREMENTS[part](context);
    if (sections.length === 0) say(`### ${part}: left out, as there is no engine\n`);
    return sections;
  } catch (error) {
    context.interrupted.throwIfAborted();
    console.error(`### ${part} FAILED`, error);
    process.exitCode = 1;
    return [];
  }
}

async function findEngine(): Promise<Docker | undefined> {
  const engine = await ensureEngine((line) => process.stderr.write(`[engine] ${line}\n`));
  if (engine.available) return new Docker();
  say(`There is no Docker engine (${engine.reason}): only what needs none is measured.`);
  return undefined;
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '50' },
      agents: { type: 'string', default: '100' },
      only: { type: 'string', default: PARTS.join(',') },
      json: { type: 'string', default: RESULTS },
      markdown: { type: 'string' },
    },
  });
  const parsed = optionsSchema.safeParse(values);
  if (parsed.success) return parsed.data;
  console.error(z.prettifyError(parsed.error));
  process.exit(2);
}

async function interrupt(): Promise<void> {
  process.stderr.write('\nInterrupted: removing what was made …\n');
  interruption.abort(new Error('interrupted'));
  await cleanup.disposeAsync();
  process.exit(EXIT_INTERRUPTED);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
