import type { ElicitRequestFormParams } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type {
  ApprovalView,
  CallerApprovals,
  CallerVerdict,
} from '../../../callers/caller-approvals.ts';

const ARGUMENT_CHARACTERS = 2000;
const QUESTIONS = 10;

export type ApprovalDecider = Pick<CallerApprovals, 'get' | 'mayDecide' | 'decide' | 'listen'>;

type Form = Pick<ElicitRequestFormParams, 'message' | 'requestedSchema'>;
type Answer = { action: 'accept' | 'decline' | 'cancel'; content?: unknown };

const questionsOf = z.object({
  questions: z.array(
    z.object({ id: z.string(), question: z.string(), options: z.array(z.string()).optional() }),
  ),
});
const answered = z.object({ approve: z.boolean(), reason: z.string().optional() });
const answers = z.record(z.string(), z.coerce.string());

/** Whether a client with this `elicitation` capability shows forms. */
export function showsForms(declared: { form?: unknown } | undefined): boolean {
  // Before there were other modes, an empty object meant forms.
  return declared !== undefined && (Object.keys(declared).length === 0 || Boolean(declared.form));
}

/** The question about an approval. */
export function formOf(approval: ApprovalView): Form {
  return approval.kind === 'user_input' ? questionForm(approval) : approvalForm(approval);
}

/** The decision in an answer; undefined if the person closed the form. Throws for an invalid answer. */
export function verdictOf(
  { kind }: ApprovalView,
  { action, content }: Answer,
): CallerVerdict | undefined {
  if (action === 'cancel') return undefined;
  if (action === 'decline') return { approve: false };
  if (kind === 'user_input') return { approve: true, answers: answers.parse(content) };
  return answered.parse(content);
}

function approvalForm({ operation, risk, justification, ...approval }: ApprovalView): Form {
  const shown = JSON.stringify(approval.arguments, null, 2).slice(0, ARGUMENT_CHARACTERS);
  const why = justification === undefined ? '' : `\nWhy: ${justification}`;
  return {
    message: `Do you approve this? Risk: ${risk}.\n${operation}${why}\n${shown}`,
    requestedSchema: {
      type: 'object',
      properties: {
        approve: { type: 'boolean', title: 'Approve', description: 'No declines it.' },
        reason: { type: 'string', title: 'Reason', maxLength: 1000 },
      },
      required: ['approve'],
    },
  };
}

function questionForm(approval: ApprovalView): Form {
  const { questions } = questionsOf.parse(approval.arguments);
  const properties = questions
    .slice(0, QUESTIONS)
    .map(({ id, question, options }) => [
      id,
      { type: 'string', title: question, ...(options?.length && { enum: options }) },
    ]);
  return {
    message: `Codex asks: ${approval.operation}`,
    requestedSchema: { type: 'object', properties: Object.fromEntries(properties) },
  };
}
