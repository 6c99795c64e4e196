import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import type {
  implementOutput,
  planOutput,
  reviewOutput,
} from '../../src/tools/work/output-schemas.ts';
import type { ModelRequest } from '../fakes/stand-in-model/model-request.ts';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { json, patch, reasoning, type Step, shell } from '../fakes/stand-in-model/step.ts';
import { FIRST_TRY, MENDED, TESTS } from './scripted-patches.ts';

/** Long enough that a watcher can follow. */
const THINKING_MS = 400;

/** Plays an engineer who plans, writes a bug, sees a test fail, mends it, and reviews the result. */
export const scriptedEngineer: Script = async (request) => {
  await sleep(THINKING_MS);
  const role = ROLES.find(({ begins }) => request.prompt.startsWith(begins));
  if (!role) throw new Error(`The demo has no answer to: ${request.prompt.slice(0, 80)}`);
  const { steps } = role;
  const step = steps[Math.min(request.toolOutputs.length, steps.length - 1)];
  if (!step) throw new Error('A role has no steps.');
  return step(request);
};

type Role = { begins: string; steps: readonly ((request: ModelRequest) => Step)[] };

const ROLES: readonly Role[] = [
  {
    begins: 'Plan the following task',
    steps: [
      () =>
        reasoning(
          '**Looking at the workspace**',
          shell('node --version; git status --short; ls -A'),
        ),
      () => json(PLAN),
    ],
  },
  {
    begins: 'Implement the following task',
    steps: [
      () => reasoning('**Writing the tests first**', patch(TESTS)),
      () => reasoning('**Writing the function**', patch(FIRST_TRY)),
      () => shell('node --test'),
      () => reasoning('**Trimming hyphens at both ends**', patch(MENDED)),
      () => shell('node --test'),
      ({ toolOutputs }) => json(reportOf(toolOutputs)),
    ],
  },
  {
    begins: 'Review the following',
    steps: [
      () => reasoning('**Reading what was written**', shell('cat slugify.js && node --test')),
      () => json(REVIEW),
    ],
  },
];

/** The tests really run: a report of success without them would be a lie. */
function reportOf(toolOutputs: readonly string[]): z.output<typeof implementOutput> {
  const [failed = '', , passed = ''] = toolOutputs.slice(-3);
  if (!/fail 1\b/.test(failed)) throw new Error(`One test should fail first: ${failed}`);
  if (!/fail 0\b/.test(passed)) throw new Error(`All tests should pass at last: ${passed}`);
  return REPORT;
}

const PLAN: z.output<typeof planOutput> = {
  task_breakdown: [
    'Write tests for accents, punctuation, surrounding spaces and empty text.',
    'Write slugify(): decompose accents, lower the case, join words with hyphens.',
    'Run node --test until all tests pass.',
  ],
  affected_files: ['package.json', 'slugify.js', 'slugify.test.js'],
  implementation_approach:
    'One pure function in an ES module of its own. String.prototype.normalize takes accents off, so no table of letters and no package is needed.',
  architectural_decisions: [
    'A named export, so that bundlers can drop what is unused.',
    'Tests with node:test, which comes with Node.',
  ],
  dependencies: [],
  estimated_complexity: 'low',
  gotchas: ['Punctuation at either end must not leave a hyphen there.'],
  integration_points: ["import { slugify } from './slugify.js'"],
};

const REPORT: z.output<typeof implementOutput> = {
  changes: [
    { file: 'package.json', explanation: 'Says that JavaScript here is made of ES modules.' },
    { file: 'slugify.js', explanation: 'The function, with hyphens trimmed at both ends.' },
    { file: 'slugify.test.js', explanation: 'Four tests; one of them found a bug on the way.' },
  ],
  dependencies_added: [],
  tests_needed: ['Scripts without Latin letters, once it is decided what they should become.'],
  integration_notes: "import { slugify } from './slugify.js'",
  next_steps: ['Use it where the titles of articles become addresses.'],
  warnings: [],
};

const REVIEW: z.output<typeof reviewOutput> = {
  overall_rating: 'good',
  comments: [
    {
      file: 'slugify.js',
      line_range: '7',
      severity: 'warning',
      category: 'correctness',
      message: 'Letters that do not decompose, such as ø and ß, become hyphens.',
      suggestion: 'Map them to o and ss before normalizing, or say so in the comment.',
    },
    {
      file: 'slugify.test.js',
      line_range: '5-19',
      severity: 'info',
      category: 'tests',
      message: 'The cases are clear. Text of hyphens alone is not among them.',
      suggestion: null,
    },
  ],
  security_score: 10,
  performance_score: 9,
  maintainability_score: 9,
  summary:
    'Small, pure and tested. It does what was asked; the letters it loses are worth a decision.',
  recommendations: ['Decide what becomes of letters outside ASCII.'],
};
