import { z } from 'zod';

/*
 * The server requests of Codex that people may answer, with only the keys that this client reads.
 */

const optionalText = z.string().nullish();
const ofItem = { threadId: z.string(), turnId: z.string(), itemId: z.string() };

export const serverRequestMessage = z.discriminatedUnion('method', [
  request('item/commandExecution/requestApproval', {
    ...ofItem,
    approvalId: optionalText,
    reason: optionalText,
    command: optionalText,
    cwd: optionalText,
    networkApprovalContext: z.unknown().optional(),
    additionalPermissions: z.unknown().optional(),
  }),
  request('item/fileChange/requestApproval', {
    ...ofItem,
    reason: optionalText,
    grantRoot: optionalText,
  }),
  request('item/permissions/requestApproval', {
    ...ofItem,
    reason: optionalText,
    cwd: z.string(),
    permissions: z.object({ network: z.unknown().optional(), fileSystem: z.unknown().optional() }),
  }),
  request('item/tool/requestUserInput', {
    ...ofItem,
    questions: z.array(
      z.object({
        id: z.string(),
        question: z.string(),
        options: z.array(z.object({ label: z.string() })).nullish(),
      }),
    ),
  }),
  request('mcpServer/elicitation/request', {
    threadId: z.string(),
    turnId: optionalText,
    serverName: z.string(),
    message: z.string().optional(),
    _meta: z.unknown().optional(),
  }),
]);
export type ServerRequestMessage = z.infer<typeof serverRequestMessage>;

/** Marks an elicitation that asks for approval of an MCP tool call. */
export const toolCallMeta = z.object({ codex_approval_kind: z.literal('mcp_tool_call') });

function request<Method extends string, Shape extends z.ZodRawShape>(method: Method, shape: Shape) {
  return z.object({ method: z.literal(method), params: z.object(shape) });
}
