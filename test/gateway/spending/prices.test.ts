import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { Prices } from '../../../src/gateway/spending/prices.ts';

const usage = { input_tokens: 1_000_000, cached_input_tokens: 400_000, output_tokens: 100_000 };

test('cached tokens have their own price', () => {
  const prices = new Prices({ m: { input: 10, cached_input: 1, output: 100 } });
  expect(prices.costOf('m', usage)).toBeCloseTo(6 + 0.4 + 10);
});

test('a dated name has the price of the longest name that fits, an unknown one none', () => {
  const flat = (price: number) => ({ input: price, cached_input: price, output: price });
  const prices = new Prices({ 'gpt-5': flat(1), 'gpt-5-mini': flat(2) });
  expect(prices.costOf('gpt-5-2026-01-01', usage)).toBeCloseTo(1.1);
  expect(prices.costOf('gpt-5-mini-2026-01-01', usage)).toBeCloseTo(2.2);
  expect(prices.costOf('gpt-50', usage)).toBeUndefined();
});

test('the file that comes with the server can be read, and a wrong one is named', () => {
  const prices = Prices.read(new URL('../../../prices.json', import.meta.url));
  expect(prices.costOf('gpt-5', usage)).toBeGreaterThan(0);
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'prices-')), 'prices.json');
  fs.writeFileSync(file, '{"gpt-5": {"input": "free"}}');
  expect(() => Prices.read(file)).toThrow(`PRICES_FILE ${file} cannot be used`);
});
