import { z } from 'zod';
import type { CallerViews } from '../../callers/caller-views.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { READ_TURN } from '../annotations.ts';
import { undoneOutput } from './changed-files.ts';
import { contextFiles, contextInput, contextSection, namedFiles } from './context-files.ts';
import { debugOutput } from './output-schemas.ts';
import { listInput, section, textInput } from './prompt.ts';
import { workTool } from './work.ts';

const args = z.object({
  problem: textInput('What goes wrong, and what should happen instead.'),
  error_output: z.string().optional().describe('The printed errors and stack traces.'),
  context_files: contextFiles,
  attempts: listInput('What you tried already.'),
});

export const debugKind: TurnKind<typeof args, typeof debugOutput> = {
  name: 'debug',
  access: () => 'read',
  args,
  reads: ({ context_files }) => namedFiles(context_files),
  prompt: ({ problem, error_output, context_files, attempts }) =>
    `Find the root cause of the following problem and propose solutions, the best first. Run what helps to find out; whatever you change in the workspace is put back afterwards.${section(
      'Problem',
      problem,
    )}${section('Output', error_output)}${contextSection(context_files)}${section(
      'Tried already',
      attempts,
    )}`,
  answer: debugOutput,
  result: (answer, { undone }) => ({ ...answer, undone_changes: undone }),
};

export const debugTool = (views: CallerViews) =>
  workTool(views, debugKind, {
    title: 'Find a root cause',
    description:
      'Finds the root cause of a problem and proposes solutions, each with its confidence; use it when you do not know why something fails. Codex may run code, and its file changes are undone. To repair the problem, call fix with the same agent_id.',
    annotations: READ_TURN,
    output: z.object({ ...debugOutput.shape, ...undoneOutput }),
    convert: {
      input: { ...args.shape, ...contextInput },
      request: (own) => ({ args: own }),
    },
  });
