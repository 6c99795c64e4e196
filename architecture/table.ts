import { ADAPTERS, ROOMS, STORE } from './rooms.ts';

const BEGIN = '<!-- rooms: made from architecture/rooms.ts by npm run docs -->';
const END = '<!-- end of rooms -->';

/** A page with its part on the rooms as the rule has it. Throws for a page without that part. */
export function withRooms(page: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined)
    throw new Error('The page has no part on rooms.');
  return `${before}${BEGIN}\n\n${rooms()}\n\n${adapters()}\n\n${END}${after}`;
}

function rooms(): string {
  const rows = [...ROOMS, STORE].map(
    ({ name, files, what }) =>
      `| ${name} | ${files.map((file) => `\`${file}\``).join(' ')} | ${what} |`,
  );
  return ['| Room | Where | What it is |', '| --- | --- | --- |', ...rows].join('\n');
}

function adapters(): string {
  const rows = Object.entries(ADAPTERS).map(
    ([name, places]) => `| ${name} | ${places.map((place) => `\`${place}\``).join(' ')} |`,
  );
  return ['| Package | Imported only in |', '| --- | --- |', ...rows].join('\n');
}
