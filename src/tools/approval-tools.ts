import { z } from 'zod';
import { APPROVAL_KINDS, APPROVAL_STATES } from '../approvals/approval.ts';
import { approvalData, verdictInput } from '../approvals/approval-data.ts';
import { RISKS } from '../approvals/risk.ts';
import type { Access } from '../callers/access.ts';
import { agentNameSchema } from '../identity/agent-id.ts';
import { LOOKING } from './annotations.ts';
import type { Tool } from './tool.ts';

const DEFAULT_LIMIT = 20;
const LARGEST_LIMIT = 200;

const approval = z.object({
  approval_id: z.string(),
  agent_id: z.string(),
  turn_id: z.string(),
  kind: z.enum(APPROVAL_KINDS).describe('A call before it runs, or what Codex asks for in one.'),
  operation: z.string(),
  arguments: z.record(z.string(), z.unknown()),
  risk: z.enum(RISKS),
  requested_by: z.string(),
  justification: z.string().nullable(),
  needed_approvers: z.number().int(),
  decisions: z.array(
    z.object({
      by: z.string(),
      approve: z.boolean(),
      reason: z.string().nullable(),
      at: z.iso.datetime(),
    }),
  ),
  state: z.enum(APPROVAL_STATES),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
});

const listInput = z.strictObject({
  state: z.enum(APPROVAL_STATES).optional().describe('Only those in this state.'),
  agent_id: agentNameSchema.optional().describe('Only those of this agent.'),
  limit: z.number().int().min(1).max(LARGEST_LIMIT).default(DEFAULT_LIMIT),
});
const listOutput = z.object({ approvals: z.array(approval) });

/** What waits for people, and what they decided. */
export function listApprovalsTool(access: Access): Tool<typeof listInput, typeof listOutput> {
  return {
    name: 'list_approvals',
    title: 'List approvals',
    description:
      'Lists what waits for somebody to approve it, and what was decided, the newest first: your own requests, or as an approver those of your tenant.',
    annotations: LOOKING,
    servedWhenFull: true,
    input: listInput,
    output: listOutput,
    run: async ({ state, agent_id: agent, limit }, { principal }) => ({
      approvals: access.approvals(principal).list({ state, agent, limit }).map(approvalData),
    }),
  };
}

const decideInput = z.strictObject({
  approval_id: z.string().min(1).max(100).describe('From list_approvals.'),
  ...verdictInput,
});

/** Decides on one. */
export function decideApprovalTool(access: Access): Tool<typeof decideInput, typeof approval> {
  return {
    name: 'decide_approval',
    title: 'Approve or decline',
    description:
      'Approves or declines what waits for it. Only for approvers, and only on a decision that a person made: nobody approves what they asked for themselves.',
    annotations: { ...LOOKING, readOnlyHint: false, destructiveHint: true },
    servedWhenFull: true,
    input: decideInput,
    output: approval,
    run: async ({ approval_id, ...verdict }, { principal }) =>
      approvalData(access.approvals(principal).decide(approval_id, verdict)),
  };
}
