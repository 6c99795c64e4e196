import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { AgentManager } from '../../agents/agent-manager.ts';
import { explainBrokenTurn, lostConnection } from '../../agents/links/broken-turn.ts';
import { riskOfAsk } from '../../approvals/risk.ts';
import type { RunningTurn, TurnCompletion } from '../../codex/codex-client.ts';
import type { CodexEvent } from '../../codex/codex-event.ts';
import type { ServerRequest } from '../../codex/server-requests/server-request.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { ModelGateway } from '../../gateway/model-gateway.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import type { TurnApprovals } from '../admission/turn-approvals.ts';
import { haltAfter } from '../halt-after.ts';
import type { TurnAttempt } from '../turn-attempt.ts';
import type { Answer } from '../turn-kind.ts';
import { answerSchema, parseAnswer, repairPrompt } from './answer.ts';
import { chooseSkills } from './forced-skills.ts';
import { explainFailure } from './turn-failure-report.ts';

const REPAIR_SUFFIX = ':repair';

export type CodexTurnServices = {
  runtime: ContainerRuntime;
  gateway: Pick<ModelGateway, 'lastFailure'>;
  agents: Pick<AgentManager, 'halt'>;
  approvals: Pick<TurnApprovals, 'ask'>;
  config: Pick<Config, 'CODEX_MODEL' | 'CODEX_REASONING'>;
  log: Logger;
};

type Message = {
  prompt: string;
  /** The id under which Codex stores the prompt. */
  clientMessageId: string;
};

/**
 * Sends a prompt to Codex, by default the one of the turn, and returns the final message, which was
 * checked. A message that does not fit the schema is asked for once more. Throws an error of the table
 * if there is no such message; nothing of the turn runs then.
 */
export async function askCodex(
  services: CodexTurnServices,
  attempt: TurnAttempt,
  { prompt, clientMessageId }: Message = firstMessage(attempt),
): Promise<Answer> {
  const { record, prepared } = attempt.turn;
  const message = await runTurn(services, attempt, { prompt, clientMessageId });
  const first = parseAnswer<Answer>(message, prepared.answer);
  if (first.ok) return first.value;
  const { problems } = first;
  services.log.warn({ turnId: record.turnId, problems }, 'Asking for a readable answer');
  const repaired = await runTurn(services, attempt, {
    prompt: repairPrompt(problems),
    clientMessageId: `${clientMessageId}${REPAIR_SUFFIX}`,
  });
  const second = parseAnswer<Answer>(repaired, prepared.answer);
  if (second.ok) return second.value;
  throw new AppError(
    'output_invalid',
    `The answer of the model could not be read, twice: ${second.problems}`,
  );
}

function firstMessage({ turn, subject }: TurnAttempt): Message {
  return { prompt: turn.prepared.prompt(subject), clientMessageId: turn.record.turnId };
}

/** Starts or joins one turn of Codex and returns its final message. */
async function runTurn(
  services: CodexTurnServices,
  attempt: TurnAttempt,
  message: Message,
): Promise<string> {
  const { turn, link, threadId, sent } = attempt;
  const { deadline, record } = turn;
  deadline.signal.throwIfAborted();
  const starting = startOrJoin(services, attempt, message);
  try {
    const { turnId, completed } = await deadline.race(starting);
    turn.steer = (text) => link.codex.steerTurn(threadId, turnId, text);
    const completion = await deadline.race(completed);
    if (completion.status === 'interrupted' && sent && link.restartedFor) {
      throw link.restartedFor;
    }
    return finalMessage(services, record.agentId, completion);
  } catch (error) {
    if (deadline.signal.aborted) {
      await haltAfter(interrupt(attempt, starting), services.agents, record.agentId);
    } else if (await lostConnection(link)) {
      const begun = await hasResolved(starting);
      throw await explainBrokenTurn(services.runtime, record.agentId, { begun, cause: error });
    }
    throw error;
  } finally {
    turn.steer = undefined;
  }
}

/** A turn that was sent but that Codex never got is started: nothing of it ran. */
async function startOrJoin(
  { runtime, approvals, config }: CodexTurnServices,
  { turn, link, threadId, sent }: TurnAttempt,
  { prompt, clientMessageId }: Message,
): Promise<RunningTurn> {
  const { codex, threads } = link;
  const { record, prepared, events } = turn;
  const { request } = record;
  const { workspace } = runtime.layout(record.agentId);
  const onEvent = (event: CodexEvent) => events.emit(withRelativePaths(event, workspace));
  const onAsk = (ask: ServerRequest) =>
    approvals.ask(turn, { ...ask, risk: riskOfAsk(ask, workspace) });
  const joined = sent && (await codex.joinTurn(threadId, clientMessageId, onEvent, onAsk));
  if (joined) return joined;
  const { cwd = '.', approvalPolicy = 'never' } = request.thread?.settings ?? {};
  const directory = path.posix.join(workspace, cwd);
  const isRepair = clientMessageId.endsWith(REPAIR_SUFFIX);
  const ownSandbox = prepared.access === 'read' ? 'read-only' : 'workspace-write';
  const skills = isRepair ? [] : await chooseSkills(codex, directory, request.skills);
  return codex.startTurn(
    {
      threadId,
      prompt,
      skills,
      cwd: directory,
      model: request.model ?? threads.settings.model ?? config.CODEX_MODEL,
      effort: request.effort ?? threads.settings.effort ?? config.CODEX_REASONING,
      sandbox: runtime.confines ? 'external' : ownSandbox,
      approvalPolicy,
      outputSchema: answerSchema(prepared.answer),
      clientMessageId,
    },
    onEvent,
    onAsk,
  );
}

function finalMessage(
  { gateway }: CodexTurnServices,
  agentId: AgentId,
  completion: TurnCompletion,
): string {
  switch (completion.status) {
    case 'completed':
      return completion.finalMessage;
    case 'interrupted':
      throw new AppError('turn_interrupted', 'Codex stopped the turn before its end.');
    case 'failed':
      throw explainFailure(completion.failure, gateway.lastFailure(agentId));
    default:
      return completion satisfies never;
  }
}

async function interrupt(
  { link, threadId }: TurnAttempt,
  starting: Promise<RunningTurn>,
): Promise<void> {
  const { turnId, completed } = await starting;
  await link.codex.interruptTurn(threadId, turnId);
  await completed;
}

/** Callers know files by their paths in the workspace. */
function withRelativePaths(event: CodexEvent, workspace: string): CodexEvent {
  if (event.type !== 'files_changed') return event;
  return { ...event, paths: event.paths.map((file) => file.replace(`${workspace}/`, '')) };
}

function hasResolved(promise: Promise<unknown>): Promise<boolean> {
  const resolved = promise.then(
    () => true,
    () => false,
  );
  return Promise.race([resolved, setImmediate(false)]);
}
