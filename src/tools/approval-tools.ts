import { z } from 'zod';
import { APPROVAL_KINDS, APPROVAL_STATES } from '../approvals/approval.ts';
import { approvalData, verdictInput } from '../approvals/approval-data.ts';
import { RISKS } from '../approvals/risk.ts';
import type { CallerViews } from '../callers/caller-views.ts';
import { QUERY } from './annotations.ts';
import { filterByAgent, id, limit } from './arguments.ts';
import { defineTool } from './tool.ts';

const DEFAULT_LIMIT = 20;
const LARGEST_LIMIT = 200;

const approval = z.object({
  approval_id: z.string(),
  agent_id: z.string(),
  turn_id: z.string(),
  kind: z
    .enum(APPROVAL_KINDS)
    .describe('What waits: a call before it runs, or a request of Codex during a turn.'),
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
  state: z
    .enum(APPROVAL_STATES)
    .optional()
    .describe('Returns approvals in this state only. Default: all.'),
  agent_id: filterByAgent,
  limit: limit(LARGEST_LIMIT, DEFAULT_LIMIT),
});
const listOutput = z.object({ approvals: z.array(approval) });

export const listApprovalsTool = (views: CallerViews) =>
  defineTool({
    name: 'list_approvals',
    title: 'List approvals',
    description:
      'Lists requests that wait for approval and decided ones, the newest first; use it to see why a call waits, or as an approver to find what to decide. Approvers see the requests of their tenant, others see their own.',
    annotations: QUERY,
    servedWhenFull: true,
    input: listInput,
    output: listOutput,
    run: async ({ state, agent_id: agent, limit }, { principal }) => ({
      approvals: views.approvals(principal).list({ state, agent, limit }).map(approvalData),
    }),
  });

const decideInput = z.strictObject({
  approval_id: id.describe('From list_approvals.'),
  ...verdictInput,
});

export const decideApprovalTool = (views: CallerViews) =>
  defineTool({
    name: 'decide_approval',
    title: 'Approve or decline',
    description:
      'Approves or declines a request; use it only after a person has decided. Requires the role approver, and nobody but an administrator decides about their own requests.',
    annotations: { ...QUERY, readOnlyHint: false, destructiveHint: true },
    servedWhenFull: true,
    input: decideInput,
    output: approval,
    run: async ({ approval_id, ...verdict }, { principal }) =>
      approvalData(views.approvals(principal).decide(approval_id, verdict)),
  });
