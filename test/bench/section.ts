import { compare, median } from './statistics.ts';

/** One thing that was measured in several ways. */
export type Section = {
  title: string;
  unit: 'ms' | 's' | 'MiB' | 'KiB';
  rows: readonly Row[];
  /** The name of the row that the others are compared with, unless they name one themselves. */
  baseline?: string;
  aims?: readonly Aim[];
};

export type Row = {
  name: string;
  /** One for each round. */
  samples: readonly number[];
  /** Calls a second, where several callers work at once. */
  throughput?: number;
  /** The name of the row that this one is compared with, where they come in pairs. */
  baseline?: string;
};

/** What a row may have at the median, by itself or beside its baseline. */
export type Aim = { row: string } & (
  | { atMost: number }
  | { ratioAtMost: number }
  | { differenceAtMost: number }
);

export type Verdict = { text: string; met: boolean };

/** Undefined for a row that the others are compared with. */
export function comparedWithBaseline(section: Section, row: Row) {
  const name = row.baseline ?? section.baseline;
  const baseline = section.rows.find((other) => other.name === name);
  if (!baseline || baseline === row) return undefined;
  return { ...compare(row.samples, baseline.samples), baseline: baseline.name };
}

/** Leaves out aims for what was not measured. */
export function judge(section: Section): Verdict[] {
  return (section.aims ?? []).flatMap((aim) => {
    const row = section.rows.find(({ name }) => name === aim.row);
    return row && row.samples.length > 0 ? (judgeRow(section, row, aim) ?? []) : [];
  });
}

function judgeRow(section: Section, row: Row, aim: Aim): Verdict | undefined {
  const { unit } = section;
  if ('atMost' in aim) {
    const value = median(row.samples);
    const text = `${row.name}: ${value.toFixed(1)} ${unit}, aim at most ${aim.atMost} ${unit}`;
    return { text, met: value <= aim.atMost };
  }
  const compared = comparedWithBaseline(section, row);
  if (!compared) return undefined;
  const { ratio, difference, baseline } = compared;
  const what = `${row.name} against ${baseline}`;
  if ('ratioAtMost' in aim) {
    const text = `${what}: ${ratio.toFixed(2)}x, aim at most ${aim.ratioAtMost}x`;
    return { text, met: ratio <= aim.ratioAtMost };
  }
  const text = `${what}: ${signed(difference)} ${unit}, aim at most ${signed(aim.differenceAtMost)} ${unit}`;
  return { text, met: difference <= aim.differenceAtMost };
}

export function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(1)}`;
}
