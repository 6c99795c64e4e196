import type { RpcReply } from '../connection/json-rpc.ts';
import { unwrapShell } from '../shell-command.ts';
import { type ServerRequestMessage, serverRequestMessage, toolCallMeta } from './protocol.ts';
import type { ServerRequest, ServerRequestAnswer } from './server-request.ts';

/** A server request that people may answer, with its reply on the wire. */
export type AnswerableRequest = {
  request: ServerRequest;
  /** Id of the item that it belongs to; Codex has announced the item before. */
  itemId: string | undefined;
  replyTo(answer: ServerRequestAnswer): RpcReply;
};

type RequestOf<Method extends ServerRequestMessage['method']> = Extract<
  ServerRequestMessage,
  { method: Method }
>;

/** Undefined for requests that get the default reply, such as invalid ones. */
export function parseServerRequest(
  id: string | number,
  method: string,
  params: unknown,
): AnswerableRequest | undefined {
  const { data: message } = serverRequestMessage.safeParse({ method, params });
  switch (message?.method) {
    case undefined:
      return undefined;
    case 'item/commandExecution/requestApproval':
      return command(id, message);
    case 'item/fileChange/requestApproval':
      return patch(id, message);
    case 'item/permissions/requestApproval':
      return permission(id, message);
    case 'item/tool/requestUserInput':
      return question(id, message);
    case 'mcpServer/elicitation/request':
      return mcpTool(id, message);
    default:
      return message satisfies never;
  }
}

function command(
  id: string | number,
  { params }: RequestOf<'item/commandExecution/requestApproval'>,
): AnswerableRequest {
  const { command, networkApprovalContext: network, additionalPermissions, cwd, reason } = params;
  const asked = command ? unwrapShell(command) : undefined;
  return {
    request: {
      ...common(id, params),
      kind: 'command',
      operation: asked ? `run: ${asked}` : 'reach the network',
      arguments: {
        command: asked,
        cwd: cwd ?? undefined,
        network: network ?? undefined,
        permissions: additionalPermissions ?? undefined,
      },
      reason: reason ?? undefined,
      cwd: cwd ?? undefined,
      wantsMore: hasValue(network) || hasValue(additionalPermissions),
    },
    itemId: params.itemId,
    replyTo: decision,
  };
}

function patch(
  id: string | number,
  { params }: RequestOf<'item/fileChange/requestApproval'>,
): AnswerableRequest {
  const { reason, grantRoot } = params;
  return {
    request: {
      ...common(id, params),
      kind: 'patch',
      operation: 'change files',
      arguments: { grant_root: grantRoot ?? undefined },
      reason: reason ?? undefined,
      wantsMore: hasValue(grantRoot),
    },
    itemId: params.itemId,
    replyTo: decision,
  };
}

function permission(
  id: string | number,
  { params }: RequestOf<'item/permissions/requestApproval'>,
): AnswerableRequest {
  const { permissions, cwd, reason } = params;
  const asked = Object.fromEntries(
    Object.entries(permissions).filter(([, each]) => hasValue(each)),
  );
  return {
    request: {
      ...common(id, params),
      kind: 'permission',
      operation: `more permissions: ${Object.keys(asked).join(', ')}`,
      arguments: { permissions: asked },
      reason: reason ?? undefined,
      cwd,
      wantsMore: true,
    },
    itemId: params.itemId,
    // Never `session`: a permission of one turn must not hold for the next one.
    replyTo: ({ approve }) => ({ result: { permissions: approve ? asked : {}, scope: 'turn' } }),
  };
}

function question(
  id: string | number,
  { params }: RequestOf<'item/tool/requestUserInput'>,
): AnswerableRequest {
  const { questions } = params;
  return {
    request: {
      ...common(id, params),
      kind: 'user_input',
      operation: questions.map((each) => each.question).join(' '),
      arguments: {
        questions: questions.map(({ id: name, question: text, options }) => ({
          id: name,
          question: text,
          ...(options && { options: options.map(({ label }) => label) }),
        })),
      },
      wantsMore: false,
    },
    itemId: params.itemId,
    replyTo: ({ approve, answers = {} }) => {
      const given = approve ? Object.entries(answers) : [];
      const asked = given.filter(([name]) => questions.some((each) => each.id === name));
      const shown = asked.map(([name, answer]) => [name, { answers: [answer] }]);
      return { result: { answers: Object.fromEntries(shown) } };
    },
  };
}

/** Undefined for other elicitations of an MCP server: only its own user could answer them. */
function mcpTool(
  id: string | number,
  { params }: RequestOf<'mcpServer/elicitation/request'>,
): AnswerableRequest | undefined {
  const { threadId, turnId, serverName, message = '', _meta: meta } = params;
  if (!turnId || !toolCallMeta.safeParse(meta).success) return undefined;
  return {
    request: {
      ...common(id, { threadId, turnId, itemId: serverName }),
      kind: 'mcp_tool',
      operation: `${serverName}: ${message}`,
      arguments: { server: serverName, call: meta },
      wantsMore: false,
    },
    itemId: undefined,
    replyTo: ({ approve }) => ({
      result: approve
        ? { action: 'accept', content: {}, _meta: null }
        : { action: 'decline', content: null, _meta: null },
    }),
  };
}

type Asked = { threadId: string; turnId: string; itemId: string; approvalId?: string | null };

function common(id: string | number, { threadId, turnId, itemId, approvalId }: Asked) {
  // Codex repeats a request with the same id on a new connection.
  return { threadId, turnId, key: [threadId, turnId, itemId, approvalId ?? '', id].join('/') };
}

function decision({ approve }: ServerRequestAnswer): RpcReply {
  // Never `acceptForSession`: an approval must not hold for the next request.
  return { result: { decision: approve ? 'accept' : 'decline' } };
}

function hasValue(value: unknown): boolean {
  return value !== undefined && value !== null;
}
