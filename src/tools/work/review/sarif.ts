import { parseLineRange } from './findings.ts';

type Finding = {
  file: string;
  line_range: string;
  severity: 'info' | 'warning' | 'error' | 'critical';
  category: string;
  message: string;
  suggestion?: string | undefined;
};

const LEVELS = { info: 'note', warning: 'warning', error: 'error', critical: 'error' } as const;

/** The findings of a review as SARIF 2.1.0, which code hosts and editors show. */
export function sarifOf(
  findings: readonly Finding[],
  { version, turnId, commit }: { version: string; turnId: string; commit?: string | undefined },
) {
  const rules = new Map(findings.map(({ category }) => [ruleId(category), category]));
  const ids = [...rules.keys()];
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'codex-mcp-server',
            semanticVersion: version,
            rules: [...rules].map(([id, text]) => ({ id, shortDescription: { text } })),
          },
        },
        automationDetails: { id: `review/${turnId}` },
        ...(commit !== undefined && { properties: { commit } }),
        originalUriBaseIds: { WORKSPACE: { description: { text: 'The workspace of the agent.' } } },
        results: findings.map((finding) => ({
          ruleId: ruleId(finding.category),
          ruleIndex: ids.indexOf(ruleId(finding.category)),
          level: LEVELS[finding.severity],
          message: { text: textOf(finding) },
          locations: [{ physicalLocation: locationOf(finding) }],
          properties: { severity: finding.severity },
        })),
      },
    ],
  };
}

function locationOf({ file, line_range }: Finding) {
  const range = parseLineRange(line_range);
  return {
    artifactLocation: { uri: encodeURI(file), uriBaseId: 'WORKSPACE' },
    ...(range && { region: { startLine: range.first, endLine: range.last } }),
  };
}

function textOf({ message, suggestion }: Finding): string {
  return suggestion === undefined ? message : `${message}\n\n${suggestion}`;
}

function ruleId(category: string): string {
  return (
    category
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-|-$/g, '') || 'review'
  );
}
