import { parseArgs } from 'node:util';
import { VERSION } from '../version.ts';
import { type Check, counted, needsAction, type RepairReport } from './doctor/check.ts';
import { checkNode } from './doctor/node-check.ts';

const SIGNS = { ok: '✓', warning: '!', problem: '✗' } as const;
const TOPIC_WIDTH = 12;

type Options = { repair: boolean; envFile: string };

/** Checks whether a server can work here. Sets the exit code to 1 if a problem remains. */
export async function doctor(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      repair: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      'env-file': { type: 'string', default: '.env' },
    },
  });
  const checks: Check[] = [];
  for await (const check of run({ repair: values.repair, envFile: values['env-file'] })) {
    checks.push(check);
    if (!values.json) console.log(line(check));
  }
  console.log(values.json ? JSON.stringify(report(checks), undefined, 2) : `\n${summary(checks)}`);
  if (checks.some(needsAction)) process.exitCode = 1;
}

async function* run({ repair, envFile }: Options): AsyncGenerator<Check> {
  const node = checkNode(process.versions.node);
  yield node;
  if (needsAction(node)) return;
  // An older Node cannot load it.
  const { diagnose } = await import('./doctor/diagnosis.ts');
  yield* diagnose({ environment: process.env, envFile, repair });
}

function line(check: Check): string {
  const { topic, verdict, message, advice, repair } = check;
  const indent = ' '.repeat(TOPIC_WIDTH + 2);
  const notes = [advice, repair && describe(repair)].filter((note) => note !== undefined);
  const shown = repair?.outcome === 'done' ? notes.slice(-1) : notes;
  return [
    `${SIGNS[verdict]} ${topic.padEnd(TOPIC_WIDTH)}${message}`,
    ...shown.map((note) => `${indent}→ ${note}`),
  ].join('\n');
}

function describe({ act, outcome, error }: RepairReport): string {
  switch (outcome) {
    case 'possible':
      return `--repair will ${act}.`;
    case 'done':
      return `Done: ${act}.`;
    case 'failed':
      return `Failed: ${act}: ${error}`;
    default:
      return outcome satisfies never;
  }
}

function summary(checks: Check[]): string {
  const open = checks.filter(needsAction).length;
  const repaired = checks.filter(({ repair }) => repair?.outcome === 'done').length;
  const warnings = checks.filter(
    ({ verdict, repair }) => verdict === 'warning' && repair?.outcome !== 'done',
  ).length;
  const possible = checks.filter(({ repair }) => repair?.outcome === 'possible').length;
  const counts = [
    counted(open, 'problem'),
    counted(warnings, 'warning'),
    ...(repaired > 0 ? [`${repaired} repaired`] : []),
    ...(possible > 0 ? [`${possible} that --repair fixes`] : []),
  ];
  return `${counts.join(', ')}.`;
}

function report(checks: Check[]) {
  return { version: VERSION, ok: !checks.some(needsAction), checks };
}
