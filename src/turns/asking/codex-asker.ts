import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { z } from 'zod';
import type { AgentManager } from '../../agents/agent-manager.ts';
import type { AgentLink } from '../../agents/links/agent-link.ts';
import { explainBrokenTurn, lostConnection } from '../../agents/links/broken-turn.ts';
import { type RiskyAsk, riskOfAsk } from '../../approvals/risk.ts';
import type { RunningTurn, TurnCompletion, TurnSandbox } from '../../codex/codex-client.ts';
import type {
  ServerRequest,
  ServerRequestAnswer,
} from '../../codex/server-requests/server-request.ts';
import type { Config } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { ModelGateway } from '../../gateway/model-gateway.ts';
import type { ContainerRuntime } from '../../runtime/container-runtime.ts';
import type { TurnEvent } from '../events/turn-event.ts';
import type { SentTurn, TurnRequest } from '../turn.ts';
import type { TurnDeadline } from '../turn-deadline.ts';
import type { Subject, TurnAccess, TurnAnswer, TurnKind } from '../turn-kind.ts';
import { answerSchema, parseAnswer, repairPrompt } from './answer.ts';
import { chooseSkills } from './forced-skills.ts';
import { explainFailure } from './turn-failure-report.ts';

/** How long an interrupted turn gets to end by itself before its container is restarted. */
const SETTLE_MS = 3_000;
const REPAIR_SUFFIX = ':repair';

type AskerOptions = {
  runtime: ContainerRuntime;
  gateway: ModelGateway;
  agents: AgentManager;
  config: Pick<Config, 'CODEX_MODEL' | 'CODEX_REASONING'>;
  log: Logger;
};

export type Question = {
  turnId: string;
  threadId: string;
  request: TurnRequest;
  kind: TurnKind;
  access: TurnAccess;
  subject: Subject | undefined;
  /** What an earlier server wrote, if it got as far as asking Codex. */
  sent: SentTurn | undefined;
  deadline: TurnDeadline;
  onEvent: (event: TurnEvent) => void;
  /** Answers what Codex asks for. Never rejects. */
  onAsk: (ask: RiskyAsk) => Promise<ServerRequestAnswer>;
  /** Hears how to say more to Codex while it works, and with nothing when that is over. */
  onSteerable: (steer: Steer | undefined) => void;
};

/** What a kind of turn takes from the last message. */
export type Answer = z.output<TurnAnswer>;

type Message = {
  prompt: string;
  /** The id under which Codex has it. */
  clientMessageId: string;
};

export type Steer = (message: string) => Promise<void>;

/** Puts a prompt to Codex and brings back an answer that was checked. */
export class CodexAsker {
  readonly #options: AskerOptions;

  constructor(options: AskerOptions) {
    this.#options = options;
  }

  /**
   * Asks what the kind of the turn asks, or for more of it. Throws an error of the table whenever there
   * is no checked answer; nothing of the turn runs then.
   */
  async ask(
    link: AgentLink,
    question: Question,
    { prompt, clientMessageId }: Message = firstMessage(question),
  ): Promise<Answer> {
    const { kind, turnId } = question;
    const first = parseAnswer<Answer>(
      await this.#turn(link, question, prompt, clientMessageId),
      kind.answer,
    );
    if (first.ok) return first.value;
    this.#options.log.warn({ turnId, problems: first.problems }, 'Asking for a readable answer');
    const repair = repairPrompt(first.problems);
    const message = await this.#turn(link, question, repair, `${clientMessageId}${REPAIR_SUFFIX}`);
    const second = parseAnswer<Answer>(message, kind.answer);
    if (second.ok) return second.value;
    throw new AppError(
      'output_invalid',
      `The answer of the model could not be read, twice: ${second.problems}`,
    );
  }

  /** One turn of Codex, begun now or by an earlier server; answers its final message. */
  async #turn(
    link: AgentLink,
    question: Question,
    prompt: string,
    clientMessageId: string,
  ): Promise<string> {
    const { request, threadId, deadline, onSteerable, sent } = question;
    const { agentId } = request;
    deadline.signal.throwIfAborted();
    const starting = this.#startOrJoin(link, question, prompt, clientMessageId);
    try {
      const { turnId, completed } = await deadline.race(starting);
      onSteerable((message) => link.codex.steerTurn(threadId, turnId, message));
      const completion = await deadline.race(completed);
      if (completion.status === 'interrupted' && sent && link.restartedFor) {
        throw link.restartedFor;
      }
      return this.#finalMessage(agentId, completion);
    } catch (error) {
      if (deadline.signal.aborted) await this.#breakOff(link, question, starting);
      else if (await lostConnection(link)) {
        const begun = await hasSettled(starting);
        throw await explainBrokenTurn(this.#options.runtime, agentId, { begun, cause: error });
      }
      throw error;
    } finally {
      onSteerable(undefined);
    }
  }

  /** A turn of an earlier server that Codex never got is asked again: it did nothing. */
  async #startOrJoin(
    { codex, threads }: AgentLink,
    { threadId, request, kind, access, sent, onEvent, onAsk }: Question,
    prompt: string,
    clientMessageId: string,
  ): Promise<RunningTurn> {
    const { runtime, config } = this.#options;
    const { workspace } = runtime.layout(request.agentId);
    const answerer = (ask: ServerRequest) => onAsk({ ...ask, risk: riskOfAsk(ask, workspace) });
    const joined = sent && (await codex.joinTurn(threadId, clientMessageId, onEvent, answerer));
    if (joined) return joined;
    const { cwd = '.', approvalPolicy = 'never' } = request.thread?.settings ?? {};
    const directory = path.posix.join(workspace, cwd);
    const isRepair = clientMessageId.endsWith(REPAIR_SUFFIX);
    const { settings } = threads;
    const options = {
      threadId,
      prompt,
      skills: isRepair ? [] : await chooseSkills(codex, directory, request.skills),
      cwd: directory,
      model: request.model ?? settings.model ?? config.CODEX_MODEL,
      effort: request.effort ?? settings.effort ?? config.CODEX_REASONING,
      sandbox: this.#sandbox(access),
      approvalPolicy,
      outputSchema: answerSchema(kind.answer),
      clientMessageId,
    };
    return codex.startTurn(options, onEvent, answerer);
  }

  #finalMessage(agentId: string, completion: TurnCompletion): string {
    switch (completion.status) {
      case 'completed':
        return completion.finalMessage;
      case 'interrupted':
        throw new AppError('turn_interrupted', 'Codex stopped the turn before its end.');
      case 'failed':
        throw explainFailure(completion.failure, this.#options.gateway.lastFailure(agentId));
      default:
        return completion satisfies never;
    }
  }

  #sandbox(access: TurnAccess): TurnSandbox {
    if (this.#options.runtime.confines) return 'external';
    return access === 'read' ? 'read-only' : 'workspace-write';
  }

  // Commands outlive an interrupt, and some outlive Codex: only a restart surely ends them.
  async #breakOff(
    { codex }: AgentLink,
    { threadId, request: { agentId } }: Question,
    starting: Promise<RunningTurn>,
  ): Promise<void> {
    const settle = async () => {
      const { turnId, completed } = await starting;
      await codex.interruptTurn(threadId, turnId);
      await completed;
    };
    try {
      await withinMs(SETTLE_MS, settle());
    } catch (error) {
      this.#options.log.warn({ agentId, err: error }, 'The interrupted turn did not settle');
    }
    await this.#options.agents.halt(agentId);
  }
}

function firstMessage({ kind, request, subject, turnId }: Question): Message {
  const prompt = kind.prompt(kind.args.parse(request.args), subject);
  return { prompt, clientMessageId: turnId };
}

/** Whether a promise has been kept by now. */
function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  const kept = promise.then(
    () => true,
    () => false,
  );
  return Promise.race([kept, setImmediate(false)]);
}

async function withinMs<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('too late')), milliseconds);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
