import type { Check } from './check.ts';

/** A problem of agents, and its repair. */
export type Finding = {
  /** Identifies the finding in a second check. */
  key: string;
  check: Check;
  /** Requires the lock of the database. */
  repair?: () => Promise<void>;
};

/** A finding that can be repaired; `act` completes "This will …". */
export function repairable(check: Check, act: string, repair: () => Promise<void>): Finding {
  return {
    key: `${check.topic} ${check.message}`,
    check: { ...check, repair: { act, outcome: 'possible' } },
    repair,
  };
}

export function finding(check: Check): Finding {
  return { key: `${check.topic} ${check.message}`, check };
}

/** Repairs a finding; returns the check with the outcome. */
export async function repaired({ check, repair }: Finding): Promise<Check> {
  if (!repair || !check.repair) return check;
  const { act } = check.repair;
  try {
    await repair();
    return { ...check, repair: { act, outcome: 'done' } };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { ...check, repair: { act, outcome: 'failed', error: reason } };
  }
}
