/** What git's own tools show of a subject. */
const SUBJECT_CHARACTERS = 72;
const BODY_CHARACTERS = 2000;
const TRAILER_CHARACTERS = 200;
/** Of a program that ends with a list of files and what was done to each. */
const EXPLAINED_FILES = 50;
/** What tells a caller's wish, in the order in which it does it best. */
const WISHES = ['task', 'prompt', 'symptoms', 'failing_tests', 'error_output'] as const;
/** Directions of text and separators of lines: what shows a text otherwise than it is. */
const DECEPTIVE = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;
const CONTROL = /[\p{Cc}\u2028\u2029]/gu;
const CONTROL_BUT_LINES = /[^\P{Cc}\n\t]/gu;

type Told = {
  tool: string;
  args: Readonly<Record<string, unknown>>;
  /** What the model ended with; absent where the turn failed. */
  answer?: unknown;
  trailers: Readonly<Record<string, string | undefined>>;
};

/** The message of a turn's commit: what was asked, what the model says of it, and whose it is. */
export function commitMessage({ tool, args, answer, trailers }: Told): string {
  const subject =
    bounded(oneLine(firstLine(wishOf(args))), SUBJECT_CHARACTERS) || `Turn of ${tool}`;
  const body = bounded(lines(explanationOf(answer)), BODY_CHARACTERS);
  const named = Object.entries(trailers)
    .map(([name, value]) => [name, oneLine(value ?? '')] as const)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}: ${bounded(value, TRAILER_CHARACTERS)}`);
  const parts = [subject, body, named.join('\n')];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function wishOf(args: Told['args']): string {
  for (const name of WISHES) {
    const value = args[name];
    const text = Array.isArray(value) ? value[0] : value;
    if (typeof text === 'string' && text.trim() !== '') return text.trim();
  }
  return '';
}

/** Answers of different tools say it in different places; what says nothing of the kind tells nothing. */
function explanationOf(answer: unknown): string {
  if (typeof answer === 'string') return answer;
  if (typeof answer !== 'object' || answer === null || !('changes' in answer)) return '';
  const { changes } = answer;
  if (!Array.isArray(changes)) return '';
  return changes
    .slice(0, EXPLAINED_FILES)
    .map(({ file, explanation }) => `- ${oneLine(`${file}: ${explanation}`)}`)
    .join('\n');
}

function firstLine(text: string): string {
  return text.split(/[\r\n\u2028\u2029]/, 1)[0] ?? '';
}

function oneLine(text: string): string {
  return text
    .toWellFormed()
    .replace(DECEPTIVE, '')
    .replace(CONTROL, ' ')
    .replace(/ +/g, ' ')
    .trim();
}

function lines(text: string): string {
  return text
    .toWellFormed()
    .replace(/\r\n?|[\u2028\u2029]/g, '\n')
    .replace(DECEPTIVE, '')
    .replace(CONTROL_BUT_LINES, '')
    .replace(/[ \t]+$/gm, '')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

function bounded(text: string, characters: number): string {
  const all = [...text];
  return all.length <= characters
    ? text
    : `${all
        .slice(0, characters - 1)
        .join('')
        .trimEnd()}…`;
}
