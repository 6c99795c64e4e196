/**
 * Shows the main job in a minute: one agent plans, implements and reviews a small change. Needs
 * nothing but `npm ci`; uses Docker and OPENAI_API_KEY where it finds them, and leaves nothing behind.
 */
import os from 'node:os';
import { Narrator } from './narrator.ts';
import { setStage } from './stage.ts';
import { Stopwatch } from './stopwatch.ts';
import { tellStory } from './story.ts';

class Interrupted extends Error {
  readonly exitCode: number;

  constructor(signal: NodeJS.Signals) {
    super(`Stopped by ${signal}.`);
    this.exitCode = 128 + os.constants.signals[signal];
  }
}

const narrator = new Narrator();
const stopwatch = new Stopwatch();
const interruption = new AbortController();
const { signal } = interruption;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // npm repeats the signal; once is enough.
  process.on(name, () => interruption.abort(new Interrupted(name)));
}
process.stdout.on('error', () => interruption.abort(new Interrupted('SIGPIPE')));

process.exitCode = await demo();

async function demo(): Promise<number> {
  narrator.title('codex-mcp-server', 'one agent plans, implements and reviews a change');
  const cleanup = new AsyncDisposableStack();
  const failed = await failureOf(perform(cleanup));
  // What breaks after an interruption is its consequence.
  const cause = signal.aborted ? signal.reason : failed;
  const left = await failureOf(stopwatch.measure('clean-up', () => cleanup.disposeAsync()));
  const failures = [cause, left].filter((failure) => failure !== undefined);
  if (failures.length === 0) {
    stopwatch.show(narrator);
    narrator.success('Done, and all of it is removed again: server, agent and files.');
    narrator.fact('now yours', 'npm start');
    narrator.fact('', 'claude mcp add --transport sse codex-mcp http://localhost:8210/sse');
    return 0;
  }
  for (const failure of failures) narrator.failure(sentence(failure));
  return cause instanceof Interrupted ? cause.exitCode : 1;
}

async function perform(cleanup: AsyncDisposableStack): Promise<void> {
  const { server, scripted } = await stopwatch.measure('server and agent image', () =>
    setStage({ narrator, interruption, cleanup }),
  );
  await tellStory({ server, scripted, narrator, stopwatch, signal });
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return error ?? new Error('It failed without a reason.');
  }
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
