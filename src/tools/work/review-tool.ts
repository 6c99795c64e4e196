import { z } from 'zod';
import type { CallerViews } from '../../callers/caller-views.ts';
import { committed } from '../../callers/changes/selection.ts';
import { AppError } from '../../errors.ts';
import type { AgentName } from '../../identity/agent-id.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { READ_TURN } from '../annotations.ts';
import { turnId } from '../arguments.ts';
import type { Caller } from '../tool.ts';
import { undoneOutput } from './changed-files.ts';
import { contextFiles, contextInput, contextSection, namedFiles } from './context-files.ts';
import { reviewOutput } from './output-schemas.ts';
import { listInput, section } from './prompt.ts';
import { placeComments } from './review/findings.ts';
import { checkScope, readScope, scopeArgs } from './review/review-scope.ts';
import { workTool } from './work.ts';

const args = z.object({
  ...scopeArgs,
  rubric: z.string().optional().describe('The criteria of the review.'),
  focus_areas: listInput('What to look at first, such as security.'),
  context_files: contextFiles,
});

const turnTarget = z.strictObject({ turn_id: turnId });
const input = {
  ...args.shape,
  ...contextInput,
  target: z
    .union([turnTarget, scopeArgs.target.unwrap()])
    .optional()
    .describe(`${scopeArgs.target.description} {turn_id} is the change of a turn.`),
};

const ON_LINES =
  'Give findings the path and the lines of the new file, and only on lines that are shown.';

export const reviewKind: TurnKind<typeof args, typeof reviewOutput> = {
  name: 'review',
  access: () => 'read',
  args,
  look: readScope,
  reads: ({ context_files }) => namedFiles(context_files),
  prompt: ({ rubric, focus_areas, context_files }, subject) =>
    `Review the following. Look at the workspace as far as it helps. Do not change any file.${
      subject?.shown ? ` ${ON_LINES}` : ''
    }${section('To be reviewed', subject?.text)}${section('Measure by', rubric)}${section(
      'Look above all at',
      focus_areas,
    )}${contextSection(context_files)}`,
  answer: reviewOutput,
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

const { comments, ...scores } = reviewOutput.shape;
const comment = comments.element.extend({ suggestion: z.string().optional() });

export const reviewTool = (views: CallerViews) =>
  workTool(views, reviewKind, {
    title: 'Review code',
    description:
      "Reviews a diff, code, files or a change of the agent's workspace; use it to get findings with file and lines, scores and recommendations. Codex changes no files. Requires exactly one of content, diffs, files and target.",
    annotations: READ_TURN,
    output: z.object({
      ...scores,
      comments: z.array(comment),
      unplaced_comments: z
        .array(comment.extend({ problem: z.string() }))
        .optional()
        .describe('Findings on lines outside of what was reviewed.'),
      reviewed: z
        .object({ from: z.string(), to: z.string() })
        .optional()
        .describe('The commits or trees that were compared.'),
      ...undoneOutput,
    }),
    convert: {
      input,
      request(own, caller, given) {
        checkScope(own);
        const { data } = turnTarget.safeParse(own.target);
        if (!data) return { args: own };
        const { agentName, commit } = turnOf(views, caller, data.turn_id);
        if (given !== undefined && named(views, caller, given) !== agentName) {
          throw new AppError(
            'turn_not_found',
            `Turn ${data.turn_id} belongs to agent ${agentName}.`,
          );
        }
        return { agentName, args: { ...own, target: { commit } } };
      },
    },
  });

function turnOf(views: CallerViews, { principal }: Caller, turnId: string) {
  const { turn, commit } = committed(views.turns(principal).get(turnId));
  return { agentName: turn.agentName, commit: commit.id };
}

function named(views: CallerViews, { principal }: Caller, name: AgentName): AgentName | undefined {
  return views.agents(principal).find(name)?.name;
}
