import type { RpcReply } from '../connection/json-rpc.ts';

const METHOD_NOT_FOUND = -32601;
const SERVER_ERROR = -32000;

/**
 * What Codex may ask of its client, and our answer where no person can be asked: see `readAsk`. Each
 * gets a no that lets the turn go on, since one left unanswered would block it for ever.
 */
const ANSWERS: Readonly<Record<string, () => RpcReply>> = {
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

/** @internal Exported for the test that holds it to the schema of Codex. */
export const ANSWERED_METHODS: readonly string[] = Object.keys(ANSWERS);

export function answerServerRequest(method: string): RpcReply {
  const answer = Object.hasOwn(ANSWERS, method) ? ANSWERS[method] : undefined;
  return answer?.() ?? refusal(`This client does not know ${method}.`, METHOD_NOT_FOUND);
}

function result(value: Record<string, unknown>): RpcReply {
  return { result: value };
}

function refusal(message: string, code = SERVER_ERROR): RpcReply {
  return { error: { code, message } };
}
