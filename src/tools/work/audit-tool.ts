import { z } from 'zod';
import type { Access } from '../../callers/access.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { READING } from '../annotations.ts';
import type { Tool } from '../tool.ts';
import { undoneOutput } from './changed-files.ts';
import { auditAnswer } from './output-schemas.ts';
import { listInput, section } from './prompt.ts';
import { workTool } from './work.ts';

const args = z.object({
  content: z.string().optional().describe('Code or a diff to audit. Default: the workspace.'),
  target_files: listInput('Files or directories of the workspace to audit.'),
  standards: listInput('What to check compliance with, such as OWASP ASVS or PCI DSS.'),
  focus_areas: listInput('What to look at above all, such as authentication.'),
});

export const auditKind: TurnKind<typeof args, typeof auditAnswer> = {
  name: 'audit',
  access: () => 'read',
  args,
  prompt: ({ content, target_files, standards, focus_areas }) =>
    `Audit the following for security and quality: ${
      content || target_files ? 'what is given below' : 'the whole workspace'
    }. Report only what you found in the code, with the place; name the CWE where one fits. Do not change any file.${section(
      'To be audited',
      content,
    )}${section('Files', target_files)}${section(
      'Say for each of these standards how the code complies',
      standards,
    )}${section('Look above all at', focus_areas)}`,
  answer: auditAnswer,
  result: (answer, { undone }) => ({ ...answer, undone_changes: undone }),
};

/** Has the agent look for weaknesses. */
export function auditTool(access: Access): Tool {
  return workTool(access, auditKind, {
    title: 'Audit code',
    description:
      "Codex audits a diff, code or the agent's workspace: security and quality findings with severity, place and CWE id, and results for each standard that you name. Changes nothing.",
    annotations: READING,
    output: z.object({ ...auditAnswer.shape, ...undoneOutput }),
  });
}
