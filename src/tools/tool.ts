import type { Logger } from 'pino';
import { z } from 'zod';
import type { ApprovalView } from '../callers/caller-approvals.ts';
import type { TurnView } from '../callers/caller-turns.ts';
import type { AgentName } from '../identity/agent-id.ts';
import type { Principal } from '../identity/principal.ts';

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
  /** Whether the tool is served beyond the limit of calls, because it makes room or says what is wrong. */
  servedWhenFull?: boolean;
  run(input: z.output<Input>, call: ToolCall): Promise<object>;
  /** Of a tool that runs a turn: starts the turn without waiting. The turn returns what `run` returns. */
  submit?(input: z.output<Input>, call: Caller): TurnView;
};

/** Infers what `run` gets from the schema of the input. */
export function defineTool<Input extends z.ZodObject, Output extends z.ZodType>(
  tool: Tool<Input, Output>,
): Tool<Input, Output> {
  return tool;
}

/** The hints of the MCP specification. */
type ToolAnnotations = {
  readOnlyHint: boolean;
  destructiveHint: boolean;
  idempotentHint: boolean;
  openWorldHint: boolean;
};

/** What the transport knows of a call. */
export type ToolCall = {
  principal: Principal;
  /** The agent of a call that names none: from `X-Agent-Id`, `?agent_id=`, or generated for the client's session. */
  defaultAgentName: AgentName;
  /** Aborted when the client cancels the call. */
  signal: AbortSignal;
  correlationId: string;
  log: Logger;
  /** Sends a message to the client, which may be dropped. Never throws. */
  progress(message: string): void;
  /** Called for each approval that the call waits for, where the client can ask a person. */
  onApproval?(approval: ApprovalView): void;
};

export type Caller = Pick<ToolCall, 'principal' | 'defaultAgentName'> &
  Partial<Pick<ToolCall, 'correlationId'>>;

/** A tool as clients see it. */
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
