import { z } from 'zod';

/*
 * The app-server's messages, with only the keys that this client reads; zod drops all others.
 * test/codex/protocol-schema.test.ts compares this with the schema of Codex.
 */

const optionalText = z.string().nullish();

export const initializeReply = z.object({ userAgent: z.string() });
export const threadReply = z.object({
  thread: z.object({ id: z.string(), status: z.object({ type: z.string() }) }),
});
export const openedThreadReply = threadReply.extend({
  instructionSources: z.array(z.string()).default([]),
});
export const skillsReply = z.object({
  data: z.array(
    z.object({
      skills: z.array(
        z.object({
          name: z.string(),
          description: z.string(),
          path: z.string(),
          scope: z.string(),
          enabled: z.boolean(),
        }),
      ),
    }),
  ),
});
/** Ids of the loaded threads. */
export const loadedThreadsReply = z.object({ data: z.array(z.string()) });
export const turnIdReply = z.object({ turnId: z.string() });
export const turnReply = z.object({ turn: z.object({ id: z.string() }) });
export const emptyReply = z.object({});

export const commandExecReply = z.object({
  exitCode: z.number(),
  stdout: z.string(),
  stderr: z.string(),
});

/** A word, or an object with one key; new versions of Codex add others. */
const codexErrorInfo = z.union([z.string(), z.record(z.string(), z.unknown())]);

const turnError = z.object({ message: z.string(), codexErrorInfo: codexErrorInfo.nullish() });
export type TurnError = z.infer<typeof turnError>;

const threadItem = z.discriminatedUnion('type', [
  item('agentMessage', { text: z.string(), phase: optionalText }),
  item('reasoning', { summary: z.array(z.string()).default([]) }),
  item('commandExecution', {
    command: z.string(),
    aggregatedOutput: optionalText,
    exitCode: z.number().nullish(),
    durationMs: z.number().nullish(),
  }),
  item('fileChange', {
    changes: z.array(
      z.object({
        path: z.string(),
        kind: z.object({ move_path: optionalText }),
        diff: z.string().optional(),
      }),
    ),
    status: z.string(),
  }),
  item('mcpToolCall', { server: z.string(), tool: z.string() }),
  item('dynamicToolCall', { tool: z.string() }),
  item('collabAgentToolCall', { tool: z.string() }),
  item('webSearch', { query: z.string() }),
  item('contextCompaction', {}),
]);
export type ThreadItem = z.infer<typeof threadItem>;

const itemType = z.object({ type: z.string() });
const itemTypes = new Set(threadItem.options.flatMap((option) => [...option.shape.type.values]));

/** Undefined for an item of any other type. */
const shownItem = z.preprocess((value) => {
  const { data } = itemType.safeParse(value);
  return data && !(itemTypes as Set<string>).has(data.type) ? undefined : value;
}, threadItem.optional());

const userMessage = z.object({ type: z.literal('userMessage'), clientId: optionalText });

/** A turn in the history of a thread. */
const recordedTurn = z.object({
  id: z.string(),
  status: z.string(),
  error: turnError.nullish(),
  items: z.array(z.union([userMessage, shownItem])),
});
export type RecordedTurn = z.infer<typeof recordedTurn>;
export const turnsListReply = z.object({ data: z.array(recordedTurn) });

const ofTurn = { threadId: z.string(), turnId: z.string() };

export const codexNotification = z.discriminatedUnion('method', [
  notification('turn/started', { threadId: z.string(), turn: z.object({ id: z.string() }) }),
  notification('turn/completed', {
    threadId: z.string(),
    turn: z.object({ id: z.string(), status: z.string(), error: turnError.nullish() }),
  }),
  notification('turn/plan/updated', {
    ...ofTurn,
    plan: z.array(
      z.object({ step: z.string(), status: z.enum(['pending', 'inProgress', 'completed']) }),
    ),
  }),
  notification('item/started', { ...ofTurn, item: shownItem }),
  notification('item/completed', { ...ofTurn, item: shownItem }),
  notification('item/reasoning/summaryPartAdded', {
    ...ofTurn,
    itemId: z.string(),
    summaryIndex: z.number(),
  }),
  notification('item/reasoning/summaryTextDelta', {
    ...ofTurn,
    itemId: z.string(),
    summaryIndex: z.number(),
    delta: z.string(),
  }),
  notification('error', { ...ofTurn, error: turnError, willRetry: z.boolean() }),
  notification('model/rerouted', { ...ofTurn, fromModel: z.string(), toModel: z.string() }),
  notification('warning', { threadId: optionalText, message: z.string() }),
  notification('thread/status/changed', {
    threadId: z.string(),
    status: z.object({ type: z.string() }),
  }),
]);
export type CodexNotification = z.infer<typeof codexNotification>;

const notificationMethods: ReadonlySet<string> = new Set(
  codexNotification.options.flatMap((option) => [...option.shape.method.values]),
);

/** Undefined for a method that this client does not use. Throws for invalid parameters. */
export function parseNotification(method: string, params: unknown): CodexNotification | undefined {
  if (!notificationMethods.has(method)) return undefined;
  return codexNotification.parse({ method, params });
}

/** Notifications that this client opts out of: all are unused, and frequent or expensive. */
export const UNWANTED_NOTIFICATIONS = [
  'account/rateLimits/updated',
  'command/exec/outputDelta',
  'hook/completed',
  'hook/started',
  'item/agentMessage/delta',
  'item/commandExecution/outputDelta',
  'item/commandExecution/terminalInteraction',
  'item/fileChange/outputDelta',
  'item/fileChange/patchUpdated',
  'item/mcpToolCall/progress',
  'item/plan/delta',
  'item/reasoning/textDelta',
  'mcpServer/startupStatus/updated',
  'process/outputDelta',
  'skills/changed',
  'thread/settings/updated',
  'thread/started',
  'thread/tokenUsage/updated',
  'turn/diff/updated',
] as const;

function item<Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) {
  return z.object({ type: z.literal(type), id: z.string(), ...shape });
}

function notification<Method extends string, Shape extends z.ZodRawShape>(
  method: Method,
  shape: Shape,
) {
  return z.object({ method: z.literal(method), params: z.object(shape) });
}
