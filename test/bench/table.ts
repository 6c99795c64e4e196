import { comparedWithBaseline, judge, type Row, type Section, signed } from './section.ts';
import { median, percentile } from './statistics.ts';

/** A section as people read it: also valid Markdown. */
export function formatSection(section: Section): string {
  const verdicts = judge(section).flatMap(({ met, text }) => [
    '',
    `${met ? 'Aim met' : 'AIM NOT MET'}: ${text}.`,
  ]);
  return [`### ${section.title}`, '', formatTable(section), ...verdicts, ''].join('\n');
}

function formatTable(section: Section): string {
  const parallel = section.rows.some(({ throughput }) => throughput !== undefined);
  const head = ['', 'n', `p50 ${section.unit}`, `p95 ${section.unit}`, 'ratio', 'difference'];
  if (parallel) head.push('calls/s');
  const lines = [head, ...section.rows.map((row) => cells(section, row, parallel))];
  const widths = head.map((_, column) => Math.max(3, ...lines.map((line) => width(line[column]))));
  const [first = '', ...rest] = lines.map((line) => formatLine(line, widths));
  const rule = widths.map((size, column) =>
    column === 0 ? '-'.repeat(size) : `${'-'.repeat(size - 1)}:`,
  );
  return [first, formatLine(rule, widths), ...rest].join('\n');
}

function cells(section: Section, row: Row, parallel: boolean): string[] {
  const compared = comparedWithBaseline(section, row);
  return [
    row.name,
    String(row.samples.length),
    median(row.samples).toFixed(1),
    percentile(row.samples, 0.95).toFixed(1),
    ratioCell(section, row, compared?.ratio),
    compared ? signed(compared.difference) : '',
    ...(parallel ? [row.throughput?.toFixed(1) ?? ''] : []),
  ];
}

function ratioCell(section: Section, row: Row, ratio: number | undefined): string {
  if (ratio !== undefined) return ratio.toFixed(2);
  const isBaseline = section.rows.some((one) => (one.baseline ?? section.baseline) === row.name);
  return isBaseline ? '1' : '';
}

function formatLine(line: readonly string[], widths: readonly number[]): string {
  const padded = line.map((cell, column) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
  );
  return `| ${padded.join(' | ')} |`;
}

function width(cell: string | undefined): number {
  return cell?.length ?? 0;
}
