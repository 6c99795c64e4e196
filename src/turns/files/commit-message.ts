/** git's own tools show no more of a subject. */
const SUBJECT_CHARACTERS = 72;
const BODY_CHARACTERS = 2000;
const TRAILER_CHARACTERS = 200;
const EXPLAINED_FILES = 50;
/** Arguments that describe the task, the best first. */
const TASK_ARGUMENTS = ['task', 'prompt', 'symptoms', 'failing_tests', 'error_output'] as const;
/** Characters that make a text look different from what it is, such as marks of direction. */
const DECEPTIVE = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;
const CONTROL = /[\p{Cc}\u2028\u2029]/gu;
const CONTROL_BUT_LINES = /[^\P{Cc}\n\t]/gu;

type MessageParts = {
  tool: string;
  args: Readonly<Record<string, unknown>>;
  /** Undefined for a turn that failed. */
  answer?: unknown;
  trailers: Readonly<Record<string, string | undefined>>;
};

/** The message of a turn's commit: the task, the explanation of the model, and trailers. */
export function commitMessage({ tool, args, answer, trailers }: MessageParts): string {
  const subject =
    bounded(oneLine(firstLine(taskOf(args))), SUBJECT_CHARACTERS) || `Turn of ${tool}`;
  const body = bounded(lines(explanationOf(answer)), BODY_CHARACTERS);
  const named = Object.entries(trailers)
    .map(([name, value]) => [name, oneLine(value ?? '')] as const)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}: ${bounded(value, TRAILER_CHARACTERS)}`);
  const parts = [subject, body, named.join('\n')];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function taskOf(args: MessageParts['args']): string {
  for (const name of TASK_ARGUMENTS) {
    const value = args[name];
    const text = Array.isArray(value) ? value[0] : value;
    if (typeof text === 'string' && text.trim() !== '') return text.trim();
  }
  return '';
}

/** Returns an empty text for answers without an explanation of changes. */
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
