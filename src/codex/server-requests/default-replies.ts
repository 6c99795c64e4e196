import type { RpcReply } from '../connection/json-rpc.ts';

const METHOD_NOT_FOUND = -32601;
const SERVER_ERROR = -32000;

/**
 * The replies to server requests that no person answers: see `parseServerRequest`. Each one declines and
 * lets the turn continue; without a reply the turn would wait for ever.
 */
const REPLIES: Readonly<Record<string, () => RpcReply>> = {
  'item/commandExecution/requestApproval': () => result({ decision: 'decline' }),
  'item/fileChange/requestApproval': () => result({ decision: 'decline' }),
  'item/permissions/requestApproval': () => result({ permissions: {}, scope: 'turn' }),
  execCommandApproval: () => result({ decision: { denied: { rejection: 'Not allowed here.' } } }),
  applyPatchApproval: () => result({ decision: { denied: { rejection: 'Not allowed here.' } } }),
  'item/tool/requestUserInput': () => result({ answers: {} }),
  'mcpServer/elicitation/request': () => result({ action: 'decline', content: null, _meta: null }),
  'item/tool/call': () =>
    result({
      contentItems: [{ type: 'inputText', text: 'This client offers no such tool.' }],
      success: false,
    }),
  'account/chatgptAuthTokens/refresh': () => refusal('This client holds no ChatGPT tokens.'),
  'attestation/generate': () => refusal('This client cannot attest.'),
  'currentTime/read': () => result({ currentTimeAt: Math.floor(Date.now() / 1000) }),
};

/** @internal Exported for the test that compares it with the schema of Codex. */
export const ANSWERED_METHODS: readonly string[] = Object.keys(REPLIES);

export function defaultReply(method: string): RpcReply {
  const answer = Object.hasOwn(REPLIES, method) ? REPLIES[method] : undefined;
  return answer?.() ?? refusal(`This client does not know ${method}.`, METHOD_NOT_FOUND);
}

function result(value: Record<string, unknown>): RpcReply {
  return { result: value };
}

function refusal(message: string, code = SERVER_ERROR): RpcReply {
  return { error: { code, message } };
}
