import { z } from 'zod';
import type { Access } from '../access/access.ts';
import type { TurnKind } from '../turns/turn-kind.ts';
import { reviewAnswer } from './answers.ts';
import { READING } from './hints.ts';
import type { Tool } from './tool.ts';
import { listInput, section, textInput, undoneOutput, workTool } from './work.ts';

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
export function reviewTool(access: Access): Tool {
  return workTool(access, reviewKind, {
    title: 'Review code',
    description:
      "Codex reviews a diff, code or files of the agent's workspace: findings with file and lines, scores, recommendations. Changes nothing.",
    annotations: READING,
    output: z.object({
      ...scores,
      comments: z.array(comments.element.extend({ suggestion: z.string().optional() })),
      ...undoneOutput,
    }),
  });
}
