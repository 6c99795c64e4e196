import fs from 'node:fs';
import { expect, test } from 'vitest';
import { approversOfRequest, approversOfTurn } from '../../src/approvals/approval-policy.ts';
import { RISKS } from '../../src/approvals/risk.ts';
import { APPROVAL_MODES } from '../../src/config/settings/callers.ts';

/** How many approvers, by risk: low, medium, high, critical; and of a medium turn of a pipeline. */
const TURNS = {
  auto: [0, 0, 0, 2, 0],
  suggest: [0, 0, 1, 2, 1],
  manual: [0, 1, 1, 2, 1],
} as const;
const REQUESTS = { auto: [0, 0, 1, 2], suggest: [1, 1, 1, 2], manual: [1, 1, 1, 2] } as const;

test.each(APPROVAL_MODES)('turns under %s', (policy) => {
  const byRisk = RISKS.map((risk) => approversOfTurn(policy, risk));
  expect([...byRisk, approversOfTurn(policy, 'medium', 'ci')]).toEqual(TURNS[policy]);
});

test.each(APPROVAL_MODES)('requests of Codex under %s', (policy) => {
  expect(RISKS.map((risk) => approversOfRequest(policy, risk))).toEqual(REQUESTS[policy]);
});

test('the document has the same table', () => {
  const page = fs.readFileSync(new URL('../../docs/approvals.md', import.meta.url), 'utf8');
  const shown = (numbers: readonly number[]) => numbers.map((each) => each || 'runs').join(' | ');
  for (const policy of APPROVAL_MODES) {
    expect(page).toContain(`| \`${policy}\` | ${shown(TURNS[policy])} |`);
    expect(page).toContain(`| \`${policy}\` | ${shown(REQUESTS[policy])} |`);
  }
});
