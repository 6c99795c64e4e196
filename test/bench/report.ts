import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { formatMachine, type Machine } from './machine.ts';
import type { Part } from './parts.ts';
import { judge, type Section } from './section.ts';
import { formatSection } from './table.ts';

export type Report = {
  startedAt: Date;
  seconds: number;
  machine: Machine;
  rounds: number;
  agents: number;
  parts: Partial<Record<Part, Section[]>>;
};

/** Between them stands what {@link writeMarkdown} writes, in a document that says more. */
const BEGIN = '<!-- bench -->';
const END = '<!-- /bench -->';

/** Everything that was measured, with every sample. */
export async function writeJson(file: string, report: Report): Promise<void> {
  const parts = Object.entries(report.parts).map(([part, sections]) => [
    part,
    sections.map((section) => ({ ...section, verdicts: judge(section) })),
  ]);
  const text = JSON.stringify({ ...report, parts: Object.fromEntries(parts) }, null, 1);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, text);
}

/** The tables: between the marks of a file that has them, else a file of their own. */
export async function writeMarkdown(file: string, report: Report): Promise<void> {
  const text = `${BEGIN}\n\n${tables(report)}\n${END}`;
  const before = await readFile(file, 'utf8').catch(() => '');
  const [head, rest] = before.split(BEGIN);
  const tail = rest?.split(END)[1];
  await writeFile(file, tail === undefined ? `${text}\n` : `${head}${text}${tail}`);
}

function tables({ startedAt, machine, rounds, parts }: Report): string {
  const day = startedAt.toISOString().slice(0, 10);
  const sections = Object.values(parts).flat();
  return [
    `${day}: ${formatMachine(machine)}; ${rounds} rounds, stand-in model.\n`,
    ...sections.map(formatSection),
  ].join('\n');
}
