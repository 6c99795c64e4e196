import { z } from 'zod';
import type { CallerViews } from '../../callers/caller-views.ts';
import type { TurnKind } from '../../turns/turn-kind.ts';
import { READ_TURN } from '../annotations.ts';
import { undoneOutput } from './changed-files.ts';
import { auditOutput } from './output-schemas.ts';
import { listInput, section } from './prompt.ts';
import { workTool } from './work.ts';

const args = z.object({
  content: z.string().optional().describe('Code or a diff to audit. Default: the whole workspace.'),
  target_files: listInput('Files or directories of the workspace to audit.'),
  standards: listInput('Standards to check compliance with, such as OWASP ASVS or PCI DSS.'),
  focus_areas: listInput('What to look at first, such as authentication.'),
});

export const auditKind: TurnKind<typeof args, typeof auditOutput> = {
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
  answer: auditOutput,
  result: (answer, { undone }) => ({ ...answer, undone_changes: undone }),
};

export const auditTool = (views: CallerViews) =>
  workTool(views, auditKind, {
    title: 'Audit code',
    description:
      "Audits a diff, code or the agent's workspace for security and quality; use it to get findings with severity, file, lines and CWE id, and a result for each standard that you name. Codex changes no files.",
    annotations: READ_TURN,
    output: z.object({ ...auditOutput.shape, ...undoneOutput }),
  });
