import { expect, test } from 'vitest';
import { type Risk, riskOf, riskOfAsk, type TurnPowers } from '../../src/approvals/risk.ts';

const SANDBOXES = ['read-only', 'workspace-write', 'danger-full-access'] as const;
const MODES = ['interactive', 'non-interactive', 'ci'] as const;

/** By sandbox; in each, without and with full_auto, the modes in their order. */
const MATRIX: Record<TurnPowers['sandbox'], [Risk[], Risk[]]> = {
  'read-only': [
    ['low', 'low', 'medium'],
    ['medium', 'medium', 'medium'],
  ],
  'workspace-write': [
    ['medium', 'medium', 'medium'],
    ['medium', 'medium', 'medium'],
  ],
  'danger-full-access': [
    ['high', 'high', 'high'],
    ['high', 'high', 'critical'],
  ],
};

const rows = SANDBOXES.flatMap((sandbox) =>
  [false, true].flatMap((fullAuto) =>
    MODES.map((mode, index) => ({
      ...{ sandbox, fullAuto, mode },
      risk: MATRIX[sandbox][fullAuto ? 1 : 0][index],
    })),
  ),
);

test.each(rows)('$sandbox, full_auto $fullAuto, $mode: $risk', ({ risk, ...powers }) => {
  expect(riskOf(powers)).toBe(risk);
});

test.each([
  [{ kind: 'command', wantsMore: false, cwd: '/workspace/sub' }, 'medium'],
  [{ kind: 'command', wantsMore: false }, 'medium'],
  [{ kind: 'command', wantsMore: false, cwd: '/workspace-of-another' }, 'high'],
  [{ kind: 'command', wantsMore: false, cwd: '/' }, 'high'],
  [{ kind: 'command', wantsMore: true, cwd: '/workspace' }, 'high'],
  [{ kind: 'patch', wantsMore: false }, 'medium'],
  [{ kind: 'patch', wantsMore: true }, 'high'],
  [{ kind: 'permission', wantsMore: true }, 'high'],
  [{ kind: 'mcp_tool', wantsMore: false }, 'medium'],
  [{ kind: 'user_input', wantsMore: false }, 'low'],
] as const)('%j is of %s risk', (ask, risk) => {
  expect(riskOfAsk(ask, '/workspace')).toBe(risk);
});
