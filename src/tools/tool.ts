import type { Logger } from 'pino';
import { z } from 'zod';
import type { ApprovalRecord } from '../approvals/approval.ts';
import type { Principal } from '../identity/principal.ts';
import type { TurnRecord } from '../turns/turn.ts';

/** One action that a client can call, the same over MCP and HTTP. */
export type Tool<Input extends z.ZodObject = z.ZodObject, Output extends z.ZodType = z.ZodType> = {
  name: string;
  title: string;
  description: string;
  annotations: ToolAnnotations;
  /** Strict: an unknown key is an error. */
  input: Input;
  /** Of an object. */
  output: Output;
  /** Whether it has a few places of its own, since it tells what is wrong or makes room. */
  servedWhenFull?: boolean;
  run(input: z.output<Input>, call: ToolCall): Promise<object>;
  /** Where a call is a turn: begins it and does not wait. What the turn returns is what `run` does. */
  submit?(input: z.output<Input>, call: Caller): TurnRecord;
};

/** Hints of the MCP specification, each meaning what it says there. */
type ToolAnnotations = {
  readOnlyHint: boolean;
  destructiveHint: boolean;
  idempotentHint: boolean;
  openWorldHint: boolean;
};

/** The circumstances of a call, as the transport knows them. */
export type ToolCall = {
  /** Who calls. */
  principal: Principal;
  /** The agent meant by a call that names none: from `X-Agent-Id`, `?agent_id=`, or made for the client's session. */
  defaultAgentId: string;
  /** Aborted when the client cancels the call. */
  signal: AbortSignal;
  correlationId: string;
  log: Logger;
  /** Tells the client what happens. Never throws; may be dropped. */
  progress(message: string): void;
  /** Hears what the call waits for people to approve, where the client can ask one. */
  onApproval?(approval: ApprovalRecord): void;
};

/** Who calls, and what it means where it names no agent. */
export type Caller = Pick<ToolCall, 'principal' | 'defaultAgentId'> &
  Partial<Pick<ToolCall, 'correlationId'>>;

/** What a client learns of a tool. */
export type ToolDescription = {
  name: string;
  title: string;
  description: string;
  annotations: ToolAnnotations;
  inputSchema: JsonObjectSchema;
  outputSchema: JsonObjectSchema;
  /** Of the MCP specification: whether a call can be a task. */
  execution?: { taskSupport: 'optional' };
};

type JsonObjectSchema = { type: 'object'; [keyword: string]: unknown };

export function describeTool(tool: Tool): ToolDescription {
  const { name, title, description, annotations } = tool;
  return {
    name,
    title,
    description,
    annotations,
    inputSchema: jsonSchema(tool.input, 'input'),
    outputSchema: jsonSchema(tool.output, 'output'),
    ...(tool.submit && { execution: { taskSupport: 'optional' } }),
  };
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): JsonObjectSchema {
  return { ...z.toJSONSchema(schema, { io }), type: 'object' };
}
