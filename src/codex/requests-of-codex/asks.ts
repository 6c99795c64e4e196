import { type CodexRequest, codexRequest, toolCallMeta } from '../ask-protocol.ts';
import type { RpcReply } from '../connection/json-rpc.ts';
import { unwrapShell } from '../shell-command.ts';
import type { AskAnswer, CodexAsk } from './codex-ask.ts';

/** A request of Codex that people may answer, and how their answer is said to Codex. */
export type AnswerableRequest = {
  ask: CodexAsk;
  /** The step that it is about, of which Codex has told already. */
  itemId: string | undefined;
  replyTo(answer: AskAnswer): RpcReply;
};

type RequestOf<Method extends CodexRequest['method']> = Extract<CodexRequest, { method: Method }>;

/** Undefined for what is answered without asking anybody, as is what cannot be read. */
export function readAsk(
  id: string | number,
  method: string,
  params: unknown,
): AnswerableRequest | undefined {
  const { data: request } = codexRequest.safeParse({ method, params });
  switch (request?.method) {
    case undefined:
      return undefined;
    case 'item/commandExecution/requestApproval':
      return command(id, request);
    case 'item/fileChange/requestApproval':
      return patch(id, request);
    case 'item/permissions/requestApproval':
      return permission(id, request);
    case 'item/tool/requestUserInput':
      return question(id, request);
    case 'mcpServer/elicitation/request':
      return mcpTool(id, request);
    default:
      return request satisfies never;
  }
}

function command(
  id: string | number,
  { params }: RequestOf<'item/commandExecution/requestApproval'>,
): AnswerableRequest {
  const { command, networkApprovalContext: network, additionalPermissions, cwd, reason } = params;
  const asked = command ? unwrapShell(command) : undefined;
  return {
    ask: {
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
    ask: {
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
    ask: {
      ...common(id, params),
      kind: 'permission',
      operation: `more permissions: ${Object.keys(asked).join(', ')}`,
      arguments: { permissions: asked },
      reason: reason ?? undefined,
      cwd,
      wantsMore: true,
    },
    itemId: params.itemId,
    // Never for the session: what was granted for one turn does not hold for the next.
    replyTo: ({ approve }) => ({ result: { permissions: approve ? asked : {}, scope: 'turn' } }),
  };
}

function question(
  id: string | number,
  { params }: RequestOf<'item/tool/requestUserInput'>,
): AnswerableRequest {
  const { questions } = params;
  return {
    ask: {
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

/** Other forms of an MCP server are for its own user, whom nobody here can stand in for. */
function mcpTool(
  id: string | number,
  { params }: RequestOf<'mcpServer/elicitation/request'>,
): AnswerableRequest | undefined {
  const { threadId, turnId, serverName, message = '', _meta: meta } = params;
  if (!turnId || !toolCallMeta.safeParse(meta).success) return undefined;
  return {
    ask: {
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
  // Codex asks again under the same id when somebody else connects.
  return { threadId, turnId, key: [threadId, turnId, itemId, approvalId ?? '', id].join('/') };
}

function decision({ approve }: AskAnswer): RpcReply {
  // Never `acceptForSession`: what was granted once does not hold for the next time.
  return { result: { decision: approve ? 'accept' : 'decline' } };
}

function hasValue(value: unknown): boolean {
  return value !== undefined && value !== null;
}
