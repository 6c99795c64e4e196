import { percentile } from '../bench/statistics.ts';
import type { CallEnd } from './ledger.ts';
import type { SoakOutcome } from './run-soak.ts';

/** One line of a table of calls. */
type Row = { name: string; calls: number; p50Ms: number; p95Ms: number };

export type SoakReport = {
  seconds: number;
  calls: number;
  byOutcome: Row[];
  byTool: Row[];
  byWay: Row[];
  events: Record<string, number>;
  turns: { known: number; lost: number };
  memoryMib: { beginning: number; end: number };
  descriptors: { beginning: number; end: number };
  /** By message of the servers' logs, warnings and worse. */
  complaints: Record<string, number>;
  leftovers: SoakOutcome['leftovers'];
  problems: string[];
};

const EVENTS = [
  'server killed',
  'server ended in order',
  'containers killed',
  'agents removed',
  'wakes heard of',
];

export function reportOf(outcome: SoakOutcome): SoakReport {
  const { ledger, log, leftovers, baseline, footprint, seconds } = outcome;
  const counts = EVENTS.map((name) => [name, ledger.counted(name)] as const);
  const steps = [...log.steps].map(([step, times]) => [`took an idle agent to ${step}`, times]);
  return {
    seconds,
    calls: ledger.calls.length,
    byOutcome: rowsBy(ledger.calls, ({ outcome: end }) => end),
    byTool: rowsBy(ledger.calls, ({ tool }) => tool),
    byWay: rowsBy(ledger.calls, ({ way }) => way),
    events: Object.fromEntries([...counts, ...steps, ...ledger.countsOf('repeated: ')]),
    turns: { known: ledger.turns.size, lost: leftovers.lostTurns.length },
    memoryMib: { beginning: baseline.rssMib, end: footprint.rssMib },
    descriptors: {
      beginning: baseline.descriptors.length,
      end: footprint.descriptors.length,
    },
    complaints: Object.fromEntries([...log.complaints].sort(([, a], [, b]) => b - a)),
    leftovers,
    problems: ledger.problems,
  };
}

/** Whether nothing is lost and nothing left. */
export function isClean({ leftovers, problems }: SoakReport): boolean {
  return problems.length === 0 && Object.values(leftovers).every((left) => left.length === 0);
}

export function formatReport(report: SoakReport): string {
  const { seconds, calls, turns, memoryMib, descriptors } = report;
  const lists: [string, readonly string[]][] = [
    ...Object.entries(report.leftovers),
    ['problems', report.problems],
  ];
  return [
    `${calls} calls in ${seconds} s, ${turns.known} turns known to callers, ${turns.lost} lost`,
    `memory of the server ${memoryMib.beginning} MiB at the beginning, ${memoryMib.end} MiB at the end`,
    `its file descriptors ${descriptors.beginning} at the beginning, ${descriptors.end} at the end`,
    ...table('outcome', report.byOutcome),
    ...table('tool', report.byTool),
    ...table('way', report.byWay),
    ...counted('events', report.events),
    ...counted('warnings and errors of the server', report.complaints),
    '',
    'left over',
    ...lists.map(([name, left]) => `  ${name}: ${left.length}${left.map(indented).join('')}`),
    '',
    isClean(report) ? 'Nothing lost, nothing left.' : 'NOT CLEAN.',
  ].join('\n');
}

function rowsBy(calls: readonly CallEnd[], keyOf: (call: CallEnd) => string): Row[] {
  return [...Map.groupBy(calls, keyOf)]
    .map(([name, group]) => {
      const times = group.map(({ ms }) => ms);
      const [p50Ms, p95Ms] = [0.5, 0.95].map((share) => Math.round(percentile(times, share)));
      return { name, calls: group.length, p50Ms: p50Ms ?? 0, p95Ms: p95Ms ?? 0 };
    })
    .sort((a, b) => b.calls - a.calls);
}

function table(title: string, rows: readonly Row[]): string[] {
  const line = (name: string, ...cells: (string | number)[]) =>
    `  ${name.padEnd(26)}${cells.map((cell) => String(cell).padStart(9)).join('')}`;
  return [
    '',
    line(title, 'calls', 'p50 ms', 'p95 ms'),
    ...rows.map(({ name, calls, p50Ms, p95Ms }) => line(name, calls, p50Ms, p95Ms)),
  ];
}

function counted(title: string, counts: Record<string, number>): string[] {
  return ['', title, ...Object.entries(counts).map(([what, times]) => `  ${what}: ${times}`)];
}

function indented(line: string): string {
  return `\n    ${line}`;
}
