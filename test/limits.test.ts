import fs from 'node:fs';
import { expect, test } from 'vitest';
import { SETTING_NAMES, type SettingName, settingMeta } from '../src/config/settings.ts';
import { ERRORS } from '../src/errors.ts';
import { loadConfig } from '../src/server/load-config.ts';

const page = fs.readFileSync(new URL('../docs/limits.md', import.meta.url), 'utf8');
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| What') && !line.includes('---'))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')))
  .map(([what = '', number = '', setting = '', outcome = '']) => ({
    ...{ what, number, outcome },
    settings: SETTING_NAMES.filter((name) => setting.includes(`\`${name}\``)),
  }));

const UNITS = [
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['days', 86_400],
] as const;

test('every row says what, how much and what then', () => {
  expect(rows.length).toBeGreaterThan(50);
  for (const { what, number, outcome } of rows) {
    expect(
      [what, number, outcome].every((cell) => cell !== ''),
      what,
    ).toBe(true);
  }
});

test('the number of every setting is its default', () => {
  const config = loadConfig({});
  for (const { what, number, settings } of rows) {
    for (const name of settings) {
      // Of two in a row one decides.
      if (what.includes('(`ttl`)') && name === 'RETENTION_TIMEOUT') continue;
      const shown = waysToSay(config[name]).some((words) =>
        new RegExp(`(^|[^\\d])${words}($|[^\\d])`).test(number),
      );
      expect(shown, `${name} in "${what}": ${number}`).toBe(true);
    }
  }
});

test('every setting that bounds something has a row', () => {
  const told = new Set<SettingName>(rows.flatMap(({ settings }) => settings));
  const bounds = SETTING_NAMES.filter(
    (name) =>
      settingMeta(name).group === 'Limits' ||
      /LIMIT$|TIMEOUT$|RETENTION$|^M(AX|ODEL_MAX)_/.test(name),
  );
  expect(bounds.length).toBeGreaterThan(25);
  expect(bounds.filter((name) => !told.has(name))).toEqual([]);
});

test('every refusal for being full is the outcome of a row', () => {
  const full = Object.keys(ERRORS).filter((code) => /full$|^too_many|too_large$/.test(code));
  expect(full.length).toBeGreaterThan(8);
  const outcomes = rows.map(({ outcome }) => outcome).join();
  expect(full.filter((code) => !outcomes.includes(`\`${code}\``))).toEqual([]);
});

function waysToSay(value: unknown): string[] {
  const amount = Number(value);
  const inUnits = UNITS.filter(([, size]) => amount > 0 && amount % size === 0).map(
    ([unit, size]) => `${amount / size} ${unit}`,
  );
  return [...inUnits, `${amount}`, ...(amount === 0 ? ['never', 'none'] : [])];
}
