import { z } from 'zod';
import { NO_AUDIT } from '../audit/audit-log.ts';
import type { TurnView } from '../callers/caller-turns.ts';
import type { RateLimits } from '../callers/rate-limits.ts';
import { checkedInput } from '../checked-input.ts';
import { AppError } from '../errors.ts';
import type { AgentName } from '../identity/agent-id.ts';
import { outcomeOf } from '../turns/turn-outcome.ts';
import { type AuditOf, CallAudit } from './call-audit.ts';
import {
  type Caller,
  describeTool,
  type Tool,
  type ToolCall,
  type ToolDescription,
} from './tool.ts';

const resultSchema = z.record(z.string(), z.unknown());

/** Calls beyond the limit that `servedWhenFull` allows. */
const RESERVED_CALLS = 32;

type ToolboxOptions = {
  /** How many calls run at the same time. */
  maxCalls: number;
  /** Limits how often each agent is called. */
  rates?: Pick<RateLimits, 'takeCall'>;
  /** Further names of tools, which `list` leaves out. */
  aliases?: Readonly<Record<string, string>>;
  /** Default: no audit. */
  audit?: AuditOf;
};

/** All tools by name. Every transport calls tools here. */
export class Toolbox {
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #aliases: ReadonlyMap<string, string>;
  readonly #descriptions: readonly ToolDescription[];
  readonly #maxCalls: number;
  readonly #rates: ToolboxOptions['rates'];
  readonly #audit: CallAudit;
  #calls = 0;

  constructor(
    tools: readonly Tool[],
    { maxCalls, rates, aliases = {}, audit = () => NO_AUDIT }: ToolboxOptions,
  ) {
    this.#rates = rates;
    this.#audit = new CallAudit(audit);
    this.#maxCalls = maxCalls;
    this.#tools = new Map(tools.map((tool) => [tool.name, tool]));
    this.#aliases = new Map(Object.entries(aliases));
    this.#descriptions = tools.map(describeTool);
  }

  list(): readonly ToolDescription[] {
    return this.#descriptions;
  }

  /**
   * Checks the arguments, runs the tool and checks its result. Throws `unknown_tool`,
   * `too_many_calls`, `rate_limited`, `invalid_input` with the problems in `data.issues`, and what the
   * tool throws.
   */
  async call(name: string, args: unknown, call: ToolCall): Promise<Record<string, unknown>> {
    return this.#audit.witness({ name, args, call }, async () => {
      const tool = this.#find(name);
      const input = parsed(tool, args);
      await this.#count(tool, input, call);
      if (!tool.servedWhenFull) this.#audit.assertWritable(call);
      return this.hold(async () => checked(tool, await tool.run(input, call)), tool);
    });
  }

  /** Runs an action that counts as an open call until it settles. Throws `too_many_calls`. */
  async hold<T>(
    action: () => Promise<T>,
    { servedWhenFull }: Pick<Tool, 'servedWhenFull'> = {},
  ): Promise<T> {
    const limit = this.#maxCalls;
    if (this.#calls >= limit + (servedWhenFull ? RESERVED_CALLS : 0)) {
      throw new AppError(
        'too_many_calls',
        `The server has reached its limit of ${limit} open calls.`,
        {
          data: { limit },
        },
      );
    }
    this.#calls += 1;
    try {
      return await action();
    } finally {
      this.#calls -= 1;
    }
  }

  /** Whether the tool runs a turn. Throws `unknown_tool`. */
  submits(name: string): boolean {
    return this.#find(name).submit !== undefined;
  }

  /** Starts the turn of a call without waiting for it. Throws what `call` throws. */
  submit(name: string, args: unknown, caller: Caller): Promise<TurnView> {
    return this.#audit.witnessSubmit({ name, args, call: caller }, async () => {
      const tool = this.#find(name);
      if (!tool.submit) throw new AppError('invalid_input', `${name} does not run a turn.`);
      const input = parsed(tool, args);
      await this.#count(tool, input, caller);
      this.#audit.assertWritable(caller);
      return tool.submit(input, caller);
    });
  }

  /** Returns or throws what `call` does for a turn that has ended. */
  outcome(turn: TurnView): Record<string, unknown> {
    return checked(this.#find(turn.tool), outcomeOf(turn));
  }

  /** Only calls that run a turn count. */
  async #count(tool: Tool, input: Record<string, unknown>, caller: Caller): Promise<void> {
    if (!tool.submit) return;
    const { agent_id: named } = input;
    const name: AgentName = typeof named === 'string' ? named : caller.defaultAgentName;
    await this.#rates?.takeCall(caller.principal, name);
  }

  #find(name: string): Tool {
    const tool = this.#tools.get(this.#aliases.get(name) ?? name);
    if (tool) return tool;
    throw new AppError('unknown_tool', `There is no tool named "${name.slice(0, 100)}".`, {
      data: { tools: [...this.#tools.keys()] },
    });
  }
}

function parsed({ name, input }: Tool, args: unknown) {
  return checkedInput(input, args, `The call of ${name}`);
}

function checked({ output }: Tool, result: object): Record<string, unknown> {
  return resultSchema.parse(output.parse(result));
}
