import { z } from 'zod';
import type { Access } from '../../callers/access.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { READING } from '../annotations.ts';
import type { Tool } from '../tool.ts';
import { undoneOutput } from './changed-files.ts';
import { contextFiles, contextInput, contextSection, namedFiles } from './context-files.ts';
import { debugAnswer } from './output-schemas.ts';
import { listInput, section, textInput } from './prompt.ts';
import { workTool } from './work.ts';

const args = z.object({
  problem: textInput('What goes wrong, and what should happen instead.'),
  error_output: z.string().optional().describe('What was printed: messages, stack traces.'),
  context_files: contextFiles,
  attempts: listInput('What was tried already.'),
});

export const debugKind: TurnKind<typeof args, typeof debugAnswer> = {
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
  answer: debugAnswer,
  result: (answer, { undone }) => ({ ...answer, undone_changes: undone }),
};

/** Has the agent find out why something goes wrong. */
export function debugTool(access: Access): Tool {
  return workTool(access, debugKind, {
    title: 'Find a root cause',
    description:
      'Codex finds the root cause of a problem and proposes solutions, each with its confidence. It may run code to find out, and changes nothing for good. Follow up with fix and the same agent_id.',
    annotations: READING,
    output: z.object({ ...debugAnswer.shape, ...undoneOutput }),
    asks: {
      input: { ...args.shape, ...contextInput },
      request: (own) => ({ args: own }),
    },
  });
}
