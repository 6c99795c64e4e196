import { AppError } from '../errors.ts';

/** `invalid_input` for one argument of a call. */
export function invalidField(field: string, problem: string): AppError {
  return new AppError('invalid_input', `${field}: ${problem}.`, {
    data: { issues: [{ field, problem }] },
  });
}
