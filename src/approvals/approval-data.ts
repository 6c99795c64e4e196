import { z } from 'zod';
import type { Named } from '../identity/agent-id.ts';
import type { ApprovalRecord } from './approval.ts';

const LONGEST_REASON = 1000;
const LONGEST_ANSWER = 4096;
const MOST_ANSWERS = 20;

/** The input of a decision over every transport. */
export const verdictInput = {
  approve: z.boolean().describe('true approves. false declines, which ends the request at once.'),
  reason: z
    .string()
    .max(LONGEST_REASON)
    .optional()
    .describe('Why. The reason is kept with the decision.'),
  answers: z
    .record(z.string().max(200), z.string().max(LONGEST_ANSWER))
    .refine((answers) => Object.keys(answers).length <= MOST_ANSWERS, 'too many answers')
    .optional()
    .describe('For a request of kind user_input: the answers by the ids of their questions.'),
};

/** An approval as clients see it. */
export function approvalData(approval: Named<ApprovalRecord>) {
  return {
    approval_id: approval.approvalId,
    agent_id: approval.agentName,
    turn_id: approval.turnId,
    kind: approval.kind,
    operation: approval.operation,
    arguments: approval.arguments,
    risk: approval.risk,
    requested_by: approval.requestedBy,
    justification: approval.justification ?? null,
    needed_approvers: approval.neededApprovers,
    decisions: approval.decisions.map(({ by, approve, reason, at }) => ({
      by,
      approve,
      reason: reason ?? null,
      at: at.toISOString(),
    })),
    state: approval.state,
    created_at: approval.createdAt.toISOString(),
    expires_at: approval.expiresAt.toISOString(),
  };
}
