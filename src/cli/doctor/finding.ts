import type { Check } from './check.ts';

/** Something about the agents that is not as it should be. */
export type Finding = {
  /** The same for the same thing when it is looked for again. */
  key: string;
  check: Check;
  /** Puts it right. Only for whom the database belongs to. */
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

/** Does what can be done about a finding; answers what became of it. */
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
