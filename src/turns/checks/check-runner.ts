import { readFileSync } from 'node:fs';
import pTimeout from 'p-timeout';
import { z } from 'zod';
import type { AgentManager } from '../../agents/agent-manager.ts';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import type { CommandEnd } from '../../codex/codex-client.ts';
import type { Config } from '../../config/config.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import type { TurnDeadline } from '../turn-deadline.ts';
import { type CheckEnd, type CheckPlan, withCutNote } from './check.ts';

/** Passed along with every check, so that it always fits the server, whatever the image is. */
const PROGRAM = readFileSync(new URL('../../../agent-image/check.mjs', import.meta.url), 'utf8');
/** How long that program gets to end by itself at the time limit, before Codex kills it. */
const GRACE_MS = 5_000;
/** How long a check that was broken off gets to end, before its container is restarted. */
const SETTLE_MS = 3_000;
const REPORT_BYTES = 4_096;

const reportSchema = z.object({
  exitCode: z.number().int().min(0).max(255).nullable(),
  timedOut: z.boolean(),
  cutBytes: z.number().int().nonnegative(),
});

type CheckRunnerOptions = {
  runtime: ContainerRuntime;
  agents: AgentManager;
  config: Pick<Config, 'CHECK_OUTPUT_BYTES'>;
};

/**
 * Runs the command of a check where Codex's own commands run: in the sandbox, and with the environment,
 * that they have. So it is no way around either, and it ends with the connection if the server dies.
 */
export class CheckRunner {
  readonly #options: CheckRunnerOptions;

  constructor(options: CheckRunnerOptions) {
    this.#options = options;
  }

  /** Throws the reason of the deadline once nothing of the check runs any more, or `codex_failed`. */
  async run(
    { codex }: AgentLink,
    agentId: string,
    plan: CheckPlan,
    deadline: TurnDeadline,
  ): Promise<CheckEnd & { output: string }> {
    const { runtime, config } = this.#options;
    const { CHECK_OUTPUT_BYTES: bytes } = config;
    const timeoutMs = plan.timeoutSeconds * 1000;
    const args = [plan.command, String(timeoutMs), String(bytes)];
    const startedAt = performance.now();
    const running = codex.runCommand(
      {
        command: ['node', '--input-type=module', '-e', PROGRAM, '--', ...args],
        cwd: runtime.layout(agentId).workspace,
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
      if (deadline.signal.aborted) await this.#breakOff(agentId, running);
      throw error;
    }
  }

  // As after an interrupted turn: what left the group of the check is surely ended only by a restart.
  async #breakOff(agentId: string, running: Promise<unknown>): Promise<void> {
    await pTimeout(running, { milliseconds: SETTLE_MS }).catch(() => undefined);
    await this.#options.agents.halt(agentId);
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
