import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { AgentManager } from '../../agents/agent-manager.ts';
import type { CommandEnd } from '../../codex/codex-client.ts';
import type { Config } from '../../config/config.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import { haltAfter } from '../halt-after.ts';
import type { TurnAttempt } from '../turn-attempt.ts';
import { type CheckEnd, type CheckPlan, withCutNote } from './check.ts';

/** Passed with every check, so that it always fits the server, whatever the image is. */
const PROGRAM = readFileSync(new URL('../../../agent-image/check.mjs', import.meta.url), 'utf8');
/** How long the program gets to end by itself at the time limit, before Codex kills it. */
const GRACE_MS = 5_000;
const REPORT_BYTES = 4_096;

const reportSchema = z.object({
  exitCode: z.number().int().min(0).max(255).nullable(),
  timedOut: z.boolean(),
  cutBytes: z.number().int().nonnegative(),
});

type CommandServices = {
  runtime: ContainerRuntime;
  agents: Pick<AgentManager, 'halt'>;
  config: Pick<Config, 'CHECK_OUTPUT_BYTES'>;
};

/**
 * Runs the command of a check in the sandbox and the environment of Codex's own commands, so that the
 * check can do no more than they can. The command ends with the connection. Throws the reason of the
 * deadline once nothing of the check runs any more, or `codex_failed`.
 */
export async function runCheckCommand(
  { runtime, agents, config }: CommandServices,
  { turn, link }: TurnAttempt,
  plan: CheckPlan,
): Promise<CheckEnd & { output: string }> {
  const { deadline, record } = turn;
  const { CHECK_OUTPUT_BYTES: bytes } = config;
  const timeoutMs = plan.timeoutSeconds * 1000;
  const args = [plan.command, String(timeoutMs), String(bytes)];
  const startedAt = performance.now();
  const running = link.codex.runCommand(
    {
      command: ['node', '--input-type=module', '-e', PROGRAM, '--', ...args],
      cwd: runtime.layout(record.agentId).workspace,
      sandbox: runtime.confines ? 'external' : 'workspace-write',
      timeoutMs: timeoutMs + GRACE_MS,
      outputBytes: bytes + REPORT_BYTES,
    },
    deadline.signal,
  );
  try {
    const end = await deadline.race(running);
    return readEnd(end, { timeoutMs, durationMs: Math.round(performance.now() - startedAt) });
  } catch (error) {
    if (deadline.signal.aborted) await haltAfter(running, agents, record.agentId);
    throw error;
  }
}

/** A program without a report was killed: by the check, for want of memory, or by Codex as it hung. */
function readEnd(
  { stdout, stderr }: CommandEnd,
  { timeoutMs, durationMs }: { timeoutMs: number; durationMs: number },
): CheckEnd & { output: string } {
  const report = parseReport(stderr);
  if (!report) {
    return { exitCode: null, timedOut: durationMs >= timeoutMs, durationMs, output: stdout };
  }
  const { exitCode, timedOut, cutBytes } = report;
  return { exitCode, timedOut, durationMs, output: withCutNote(stdout, cutBytes) };
}

function parseReport(text: string): z.output<typeof reportSchema> | undefined {
  try {
    return reportSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
