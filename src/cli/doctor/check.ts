import { reportError } from '../../errors.ts';

/** `warning`: works, or is fixed by the server. `problem`: requires an action of the operator. */
export type Verdict = 'ok' | 'warning' | 'problem';

/** The result of one check, without secrets. */
export type Check = {
  /** The subject of the check, such as `Database`. */
  topic: string;
  verdict: Verdict;
  /** The result in one sentence. */
  message: string;
  /** What to do, or what the server will do. */
  advice?: string;
  /** The repair that `--repair` can do, or did. */
  repair?: RepairReport;
};

export type RepairReport = {
  /** Completes "This will …", such as `remove the container`. */
  act: string;
  outcome: 'possible' | 'done' | 'failed';
  /** Why it failed. */
  error?: string;
};

export const ok = (topic: string, message: string): Check => ({ topic, verdict: 'ok', message });

export const warning = (topic: string, message: string, advice?: string): Check => ({
  topic,
  verdict: 'warning',
  message,
  ...(advice && { advice }),
});

export const problem = (topic: string, message: string, advice: string): Check => ({
  topic,
  verdict: 'problem',
  message,
  advice,
});

/** A problem with the message and the hint of an error. */
export function failure(topic: string, error: unknown): Check {
  const { message, hint } = reportError(error);
  return problem(topic, message, hint);
}

/** Whether the operator still has to act. */
export function needsAction({ verdict, repair }: Check): boolean {
  return verdict === 'problem' && repair?.outcome !== 'done';
}

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Such as `77 GiB`. */
export function bytes(count: number): string {
  const power = count < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(count) / 10));
  return `${Math.round(count / 1024 ** power)} ${UNITS[power]}`;
}

/** Such as `1 agent` or `3 agents`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
