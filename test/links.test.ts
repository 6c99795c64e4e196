import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
const pages = fs.globSync('**/*.md', { cwd: root, exclude: ['**/node_modules'] });

test.each(pages)('the links of %s lead to what is there', (page) => {
  const links = [...read(page).matchAll(/\]\((?!\w+:)([^)\s]+)\)/g)].map(([, link = '']) => link);
  expect(links.filter((link) => !leadsSomewhere(page, link))).toEqual([]);
});

test('every file of the code that a page names is there', () => {
  const names = /`((?:src|test|agent-image|architecture|examples)\/[\w./-]*\w)\/?`/g;
  const named = pages.flatMap((page) =>
    [...read(page).matchAll(names)].map(([, file = '']) => ({ page, file })),
  );
  expect(named.length).toBeGreaterThan(100);
  expect(named.filter(({ file }) => !fs.existsSync(path.join(root, file)))).toEqual([]);
});

function leadsSomewhere(page: string, link: string): boolean {
  const [file, heading] = link.split('#');
  const target = file ? path.join(path.dirname(page), file) : page;
  if (!fs.existsSync(path.join(root, target))) return false;
  return heading === undefined || headings(target).includes(heading);
}

/** As GitHub names the places of a page. */
function headings(page: string): string[] {
  const titles = [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => title);
  return titles.map((title) =>
    title
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}

function read(page: string): string {
  return fs.readFileSync(path.join(root, page), 'utf8');
}
