const TEXT_CHARACTERS = 4096;
const TOTAL_CHARACTERS = 16_384;
const ENTRIES = 100;
const DEPTH = 6;
const CUT = '…';

/** Cuts long texts, long lists and deep values of a request. */
export function boundArguments(given: Record<string, unknown>): Record<string, unknown> {
  return boundEntries(given, { left: TOTAL_CHARACTERS }, 0);
}

type Budget = { left: number };

function boundValue(value: unknown, budget: Budget, depth: number): unknown {
  if (typeof value === 'string') return boundText(value, budget);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH || budget.left <= 0) return CUT;
  if (!Array.isArray(value)) return boundEntries(value, budget, depth);
  const kept = value.slice(0, ENTRIES).map((each) => boundValue(each, budget, depth + 1));
  return value.length > ENTRIES ? [...kept, CUT] : kept;
}

function boundEntries(value: object, budget: Budget, depth: number): Record<string, unknown> {
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  const kept = entries.slice(0, ENTRIES).map(([key, each]) => {
    const name = boundText(key, budget);
    return [name, boundValue(each, budget, depth + 1)];
  });
  return Object.fromEntries(kept);
}

function boundText(text: string, budget: Budget): string {
  const room = Math.min(TEXT_CHARACTERS, budget.left);
  budget.left -= Math.min(text.length, room);
  return text.length <= room ? text : text.slice(0, Math.max(0, room)) + CUT;
}
