import type { z } from 'zod';
import { AppError } from '../errors.ts';

/** A query or body as a route takes it. Throws `invalid_input` with all that is wrong. */
export function parsed<T>(schema: z.ZodType<T>, given: unknown): T {
  const { data, error } = schema.safeParse(given ?? {});
  if (!error) return data as T;
  const issues = error.issues.map(({ path, message }) => ({
    field: path.join('.') || '(request)',
    problem: message,
  }));
  const first = issues.map(({ field, problem }) => `${field}: ${problem}`).slice(0, 5);
  throw new AppError('invalid_input', first.join('; '), { data: { issues: issues.slice(0, 20) } });
}
