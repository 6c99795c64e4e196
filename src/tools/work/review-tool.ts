import { z } from 'zod';
import type { Access } from '../../callers/access.ts';
import { committed } from '../../callers/changes/selection.ts';
import { AppError } from '../../errors.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { READING } from '../annotations.ts';
import type { Caller, Tool } from '../tool.ts';
import { undoneOutput } from './changed-files.ts';
import { contextFiles, contextInput, contextSection, namedFiles } from './context-files.ts';
import { reviewAnswer } from './output-schemas.ts';
import { listInput, section } from './prompt.ts';
import { placeComments } from './review/findings.ts';
import { checkScope, lookAtScope, scopeArgs } from './review/review-scope.ts';
import { workTool } from './work.ts';

const args = z.object({
  ...scopeArgs,
  rubric: z.string().optional().describe('What the review should measure by.'),
  focus_areas: listInput('What to look at above all, such as security.'),
  context_files: contextFiles,
});

const turnTarget = z.strictObject({ turn_id: z.string().min(1).max(100) });
const input = {
  ...args.shape,
  ...contextInput,
  target: z
    .union([turnTarget, scopeArgs.target.unwrap()])
    .optional()
    .describe(`${scopeArgs.target.description} Or what a turn of the agent changed, by its id.`),
};

const ON_LINES =
  'Give findings the path and the lines of the new file, and only on lines that are shown.';

export const reviewKind: TurnKind<typeof args, typeof reviewAnswer> = {
  name: 'review',
  access: () => 'read',
  args,
  look: lookAtScope,
  reads: ({ context_files }) => namedFiles(context_files),
  prompt: ({ rubric, focus_areas, context_files }, subject) =>
    `Review the following. Look at the workspace as far as it helps. Do not change any file.${
      subject?.shown ? ` ${ON_LINES}` : ''
    }${section('To be reviewed', subject?.text)}${section('Measure by', rubric)}${section(
      'Look above all at',
      focus_areas,
    )}${contextSection(context_files)}`,
  answer: reviewAnswer,
  result(answer, { undone }, { subject }) {
    const comments = answer.comments.map(({ suggestion, ...comment }) => ({
      ...comment,
      ...(suggestion !== null && { suggestion }),
    }));
    const { placed, unplaced } = subject?.shown
      ? placeComments(comments, subject.shown)
      : { placed: comments, unplaced: [] };
    return {
      ...answer,
      comments: placed,
      ...(unplaced.length > 0 && { unplaced_comments: unplaced }),
      ...(subject?.to !== undefined && { reviewed: { from: subject.from, to: subject.to } }),
      undone_changes: undone,
    };
  },
};

const { comments, ...scores } = reviewAnswer.shape;
const comment = comments.element.extend({ suggestion: z.string().optional() });

/** Has the agent judge code. */
export function reviewTool(access: Access): Tool {
  return workTool(access, reviewKind, {
    title: 'Review code',
    description:
      "Codex reviews a diff, code, files or a change of the agent's workspace: findings with file and lines, scores, recommendations. Changes nothing.",
    annotations: READING,
    output: z.object({
      ...scores,
      comments: z.array(comment),
      unplaced_comments: z
        .array(comment.extend({ problem: z.string() }))
        .optional()
        .describe('Findings on lines that are not among those reviewed.'),
      reviewed: z
        .object({ from: z.string(), to: z.string() })
        .optional()
        .describe('The commits or trees that were compared.'),
      ...undoneOutput,
    }),
    asks: {
      input,
      request(own, caller, agent) {
        checkScope(own);
        const { data } = turnTarget.safeParse(own.target);
        if (!data) return { args: own };
        const { agentId, commit } = turnOf(access, caller, data.turn_id);
        if (agent !== undefined && agent !== agentId) {
          throw new AppError('turn_not_found', `Turn ${data.turn_id} is one of agent ${agentId}.`);
        }
        return { agentId, args: { ...own, target: { commit } } };
      },
    },
  });
}

function turnOf(access: Access, { principal }: Caller, turnId: string) {
  const { turn, commit } = committed(access.turns(principal).get(turnId));
  return { agentId: turn.agentId, commit: commit.id };
}
