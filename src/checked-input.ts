import { z } from 'zod';
import { AppError } from './errors.ts';

const SHOWN = 5;
const LISTED = 20;

type Problem = { field: string; problem: string };

/**
 * Parses input by a schema. `what` names the input, such as `The body`. Throws `invalid_input` with
 * `issues` of `{field, problem}`, which list the alternatives of a union and the known names.
 */
export function checkedInput<T>(schema: z.ZodType<T>, given: unknown, what: string): T {
  const { data, error } = schema.safeParse(given ?? {});
  if (!error) return data as T;
  const names = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  const issues = error.issues.map((issue) => problemOf(issue, names));
  const shown = issues.map(({ field, problem }) => `${field}: ${problem}`).slice(0, SHOWN);
  throw new AppError('invalid_input', `${what} is wrong: ${shown.join('; ')}.`, {
    cause: error,
    data: { issues: issues.slice(0, LISTED) },
  });
}

function problemOf(issue: z.core.$ZodIssue, names: readonly string[]): Problem {
  const field = issue.path.join('.');
  const known = issue.code === 'unrecognized_keys' && !field && names.length > 0;
  const problem = known ? `${messageOf(issue)} (known: ${names.join(', ')})` : messageOf(issue);
  return { field: field || '(input)', problem };
}

/** Zod's message of a union does not name its alternatives. */
function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return issue.message;
  const forms = issue.errors.map((wants) => wants.map(within).join(' and '));
  return `none of its forms fits: ${[...new Set(forms)].join('; or ')}`;
}

function within(issue: z.core.$ZodIssue): string {
  const message = messageOf(issue).replace(/^(Invalid input|none of its forms fits): /, '');
  return issue.path.length > 0 ? `${issue.path.join('.')}: ${message}` : message;
}
