import { z } from 'zod';

/** The output schema that Codex gets for each tool. Every key is required; null stands for none. */

export const planOutput = z.object({
  task_breakdown: z.array(z.string()).describe('The steps, in order, each a sentence.'),
  affected_files: z.array(z.string()).describe('Paths relative to the workspace.'),
  implementation_approach: z.string(),
  architectural_decisions: z.array(z.string()),
  dependencies: z.array(z.string()).describe('Packages or services that the work needs.'),
  estimated_complexity: z.enum(['low', 'medium', 'high']),
  gotchas: z.array(z.string()),
  integration_points: z.array(z.string()),
});

/** Without a diff, which git makes. */
const explainedFile = z.object({
  file: z.string().describe('Path relative to the workspace.'),
  explanation: z.string().describe('What was changed and why.'),
});

export const implementOutput = z.object({
  changes: z.array(explainedFile).describe('One entry for every file you changed.'),
  dependencies_added: z.array(z.string()),
  tests_needed: z.array(z.string()),
  integration_notes: z.string(),
  next_steps: z.array(z.string()),
  warnings: z.array(z.string()),
});

const score = z.number().int().min(1).max(10);

export const reviewOutput = z.object({
  overall_rating: z.enum(['excellent', 'good', 'needs_work', 'critical_issues']),
  comments: z.array(
    z.object({
      file: z.string(),
      line_range: z.string().describe('Such as 12 or 12-15.'),
      severity: z.enum(['info', 'warning', 'error', 'critical']),
      category: z.string(),
      message: z.string(),
      suggestion: z.string().nullable(),
    }),
  ),
  security_score: score,
  performance_score: score,
  maintainability_score: score,
  summary: z.string(),
  recommendations: z.array(z.string()),
});

export const fixOutput = z.object({
  fixes: z.array(
    z.object({
      problem: z.string(),
      solution: z.string(),
      files_to_change: z.array(z.string()).describe('Paths relative to the workspace.'),
      root_cause: z.string(),
      prevention: z.string(),
    }),
  ),
  changes: z.array(explainedFile).describe('One entry for every file you changed.'),
  diagnostic_steps: z.array(z.string()),
  quick_fix_available: z.boolean(),
  estimated_fix_time: z.string(),
  related_issues: z.array(z.string()),
});

export const chatOutput = z.object({
  reply: z.string(),
  suggestions: z.array(z.string()).describe('What to do or ask next.'),
});

export const auditOutput = z.object({
  summary: z.string(),
  risk: z
    .enum(['none', 'low', 'medium', 'high', 'critical'])
    .describe('The severity of the worst finding.'),
  findings: z.array(
    z.object({
      title: z.string(),
      kind: z.enum(['security', 'quality']),
      severity: z.enum(['info', 'low', 'medium', 'high', 'critical']),
      cwe: z.string().nullable().describe('Such as CWE-79; null if none fits.'),
      file: z.string().describe('Path relative to the workspace.'),
      line_range: z.string().describe('Such as 12 or 12-15.'),
      description: z.string(),
      remediation: z.string(),
    }),
  ),
  compliance: z
    .array(
      z.object({
        standard: z.string(),
        requirement: z.string(),
        result: z.enum(['pass', 'fail', 'not_applicable', 'unknown']),
        note: z.string(),
      }),
    )
    .describe('Empty if no standard was named.'),
  recommendations: z.array(z.string()),
});

const confidence = z.number().min(0).max(1).describe('From 0, a guess, to 1, proven.');

export const debugOutput = z.object({
  root_cause: z.string(),
  confidence,
  evidence: z.array(z.string()).describe('What was seen that shows the cause.'),
  solutions: z.array(
    z.object({
      description: z.string(),
      steps: z.array(z.string()),
      files_to_change: z.array(z.string()).describe('Paths relative to the workspace.'),
      confidence,
    }),
  ),
  diagnostic_steps: z.array(z.string()).describe('What to look at if the cause is another.'),
  prevention: z.string(),
});
