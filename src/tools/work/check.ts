import { z } from 'zod';
import { AppError } from '../../errors.ts';
import {
  type CheckReport,
  type CheckRequest,
  describeEnd,
  hasPassed,
} from '../../turns/checks/check.ts';
import { timeoutSeconds } from '../arguments.ts';
import { section } from './prompt.ts';

const LONGEST_COMMAND = 10_000;
const MOST_ROUNDS = 10;

/** Arguments of tools whose work can be checked. */
export const checkInput = {
  check_command: z
    .string()
    .trim()
    .min(1)
    .max(LONGEST_COMMAND)
    .refine((command) => !command.includes('\0'), 'A command has no NUL characters.')
    .optional()
    .describe(
      'Shell command, such as npm test, that exits with 0 when the work is done. The server runs it in the workspace after Codex has worked. If the command fails, Codex gets its output and works again.',
    ),
  max_rounds: z
    .number()
    .int()
    .min(1)
    .max(MOST_ROUNDS)
    .optional()
    .describe('The most times that Codex works until check_command passes.'),
  check_timeout_seconds: timeoutSeconds.describe('Limits one run of check_command.'),
};

type CheckInput = z.output<z.ZodObject<typeof checkInput>>;

const checkEnd = {
  passed: z.boolean(),
  exit_code: z
    .number()
    .int()
    .nullable()
    .describe('Null if the command was killed, as after its time-out.'),
  timed_out: z.boolean(),
  duration_ms: z.number().int(),
};

/** Absent from results of calls without a check. */
export const checkOutput = {
  check: z
    .object({
      command: z.string(),
      ...checkEnd,
      output: z.string().describe('The end of the output of the last run.'),
      rounds: z.array(z.object(checkEnd)).describe('Every run, the last run included.'),
      changed_files: z
        .array(z.string())
        .describe('Files that the check itself wrote. They are not in changes.'),
    })
    .optional(),
};

/** Throws `invalid_input` for arguments that require a check. */
export function requireCheckCommand(input: Record<string, unknown>): void {
  const without = ['max_rounds', 'check_timeout_seconds'].filter(
    (name) => input[name] !== undefined,
  );
  if (input.check_command !== undefined || without.length === 0) return;
  const message = `The call is wrong: ${without.join(' and ')} without a check_command.`;
  throw new AppError('invalid_input', message, {
    data: { issues: without.map((field) => ({ field, problem: 'check_command is missing' })) },
  });
}

export function checkOf(input: CheckInput): CheckRequest | undefined {
  const { check_command: command, max_rounds: rounds, check_timeout_seconds } = input;
  if (command === undefined) return undefined;
  return { command, rounds, timeoutSeconds: check_timeout_seconds };
}

/** Tells Codex how its work is checked. */
export function checkSection({ check_command: command }: CheckInput): string {
  return section(
    'Check',
    command &&
      `When you have finished, this command is run in the workspace and has to succeed. You may run it yourself.\n\n${command}`,
  );
}

export function checkPart(
  report: CheckReport | undefined,
): z.output<z.ZodObject<typeof checkOutput>> {
  const rounds = report?.rounds.map((end) => ({
    passed: hasPassed(end),
    exit_code: end.exitCode,
    timed_out: end.timedOut,
    duration_ms: end.durationMs,
  }));
  const last = rounds?.at(-1);
  if (!report || !rounds || !last) return {};
  const { command, output, written } = report;
  return { check: { command, ...last, output, rounds, changed_files: [...written] } };
}

export function checkWarnings(report: CheckReport | undefined): string[] {
  const last = report?.rounds.at(-1);
  if (!report || !last || hasPassed(last)) return [];
  const { length } = report.rounds;
  const rounds = length === 1 ? '1 round' : `${length} rounds`;
  return [`The check did not pass in ${rounds}: the command ${describeEnd(last, report)}.`];
}
