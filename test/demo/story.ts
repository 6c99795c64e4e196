import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { codeChange } from '../../src/tools/work/changed-files.ts';
import { implementOutput, planOutput, reviewOutput } from '../../src/tools/work/output-schemas.ts';
import { workOutput } from '../../src/tools/work/work.ts';
import { DemoClient } from './demo-client.ts';
import type { DemoServer } from './demo-server.ts';
import type { Narrator } from './narrator.ts';
import { showChanges, showPlan, showReview, showSession } from './results.ts';
import type { Stopwatch } from './stopwatch.ts';

const TASK =
  'Add a function slugify(text) in slugify.js, an ES module, that turns a title into the part of an address, with tests in slugify.test.js that pass with node --test.';
const CONSTRAINTS = ['No packages.', 'Accents are taken off; the letters under them stay.'];

const planResult = planOutput.extend(workOutput);
const implementResult = implementOutput.extend({ changes: z.array(codeChange), ...workOutput });
const comment = reviewOutput.shape.comments.element.extend({ suggestion: z.string().optional() });
const reviewResult = reviewOutput.extend({ comments: z.array(comment), ...workOutput });
const sessionResult = z.object({
  session: z.object({
    session_id: z.string(),
    agent_id: z.string(),
    container_id: z.string().nullable(),
    status: z.string(),
    turns: z.number(),
  }),
});

export type PlanResult = z.output<typeof planResult>;
export type ImplementResult = z.output<typeof implementResult>;
export type ReviewResult = z.output<typeof reviewResult>;
export type SessionInfo = z.output<typeof sessionResult>['session'];

type StoryOptions = {
  server: DemoServer;
  scripted: boolean;
  narrator: Narrator;
  stopwatch: Stopwatch;
  signal: AbortSignal;
};

/** Calls the tools one after another and shows what they return. Throws if anything is amiss. */
export async function tellStory(options: StoryOptions): Promise<void> {
  const { server, scripted, narrator, signal } = options;
  const client = await DemoClient.connect(server.url, signal);
  try {
    narrator.fact('tools', (await client.toolNames()).join(', '));
    const agent = new Agent(client, options);
    narrator.chapter('Plan', `a new agent, ${agent.id}, gets its first task`);
    narrator.say(`"${TASK}"`);
    const plan = await agent.ask('plan', { task: TASK, constraints: CONSTRAINTS }, planResult);
    showPlan(narrator, plan);
    narrator.chapter('Implement', 'the same agent: it knows its plan');
    const task = { task: TASK, target_files: plan.affected_files, requirements: CONSTRAINTS };
    const work = await agent.ask('implement', task, implementResult);
    if (work.changes.length === 0) throw new Error('Nothing was changed.');
    if (scripted && work.warnings.length > 0) throw new Error(work.warnings.join('\n'));
    showChanges(narrator, work);
    narrator.chapter('Review', 'the true diff, by the agent that wrote it');
    const content = work.changes.map(({ diff }) => diff).join('\n');
    showReview(narrator, await agent.ask('review', { content }, reviewResult));
    narrator.chapter('Session', 'what stays: call again with this agent id');
    showSession(narrator, await agent.session());
  } finally {
    await client.close();
  }
}

/** One agent of the server, as a client sees it. */
class Agent {
  readonly id = `demo-${randomBytes(3).toString('hex')}`;
  readonly #client: DemoClient;
  readonly #options: StoryOptions;

  constructor(client: DemoClient, options: StoryOptions) {
    this.#client = client;
    this.#options = options;
  }

  async ask<Result extends z.ZodObject<{ duration_ms: z.ZodNumber }>>(
    tool: string,
    args: Record<string, unknown>,
    result: Result,
  ): Promise<z.output<Result>> {
    const { narrator, stopwatch, scripted } = this.#options;
    const startedAt = performance.now();
    const answer = await this.#client.call(
      tool,
      { agent_id: this.id, ...(!scripted && { reasoning_effort: 'low' }), ...args },
      result,
      (message) => narrator.progress(message),
    );
    const total = performance.now() - startedAt;
    const turn: number = answer.duration_ms;
    stopwatch.add(`${tool}: waking the agent`, Math.max(0, total - turn));
    stopwatch.add(`${tool}: Codex`, turn);
    return answer;
  }

  async session(): Promise<SessionInfo> {
    const args = { agent_id: this.id };
    return (await this.#client.call('get_my_session_info', args, sessionResult)).session;
  }
}
