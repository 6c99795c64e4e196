import { z } from 'zod';
import type { TurnKind } from '../turns/turn-kind.ts';
import type { TurnService } from '../turns/turn-service.ts';
import { reviewAnswer } from './answers.ts';
import type { Tool } from './tool.ts';
import { listInput, readingHints, section, textInput, undoneOutput, workTool } from './work.ts';

const args = z.object({
  content: textInput(
    'What is to be reviewed: a diff, code, or the paths of files in the workspace.',
  ),
  rubric: z.string().optional().describe('What the review should measure by.'),
  focus_areas: listInput('What to look at above all, such as security.'),
});

export const reviewKind: TurnKind<typeof args, typeof reviewAnswer> = {
  name: 'review',
  access: () => 'read',
  args,
  prompt: ({ content, rubric, focus_areas }) =>
    `Review the following. Look at the workspace as far as it helps. Do not change any file.${section(
      'To be reviewed',
      content,
    )}${section('Measure by', rubric)}${section('Look above all at', focus_areas)}`,
  answer: reviewAnswer,
  result: (answer, { undone }) => ({
    ...answer,
    comments: answer.comments.map(({ suggestion, ...comment }) => ({
      ...comment,
      ...(suggestion !== null && { suggestion }),
    })),
    undone_changes: undone,
  }),
};

const { comments, ...scores } = reviewAnswer.shape;

/** Has the agent judge code. */
export function reviewTool(turns: TurnService): Tool {
  return workTool(turns, reviewKind, {
    title: 'Review code',
    description:
      "Codex reviews a diff, code or files of the agent's workspace: findings with file and lines, scores, recommendations. Changes nothing.",
    annotations: readingHints,
    output: z.object({
      ...scores,
      comments: z.array(comments.element.extend({ suggestion: z.string().optional() })),
      ...undoneOutput,
    }),
  });
}
