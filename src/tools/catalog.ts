import type { CallerViews } from '../callers/caller-views.ts';
import type { TurnKind } from '../turns/turn-kind.ts';
import { agentStatusTool, listActiveTool } from './agent-tools.ts';
import { decideApprovalTool, listApprovalsTool } from './approval-tools.ts';
import { getChangesTool, revertTurnTool } from './change-tools.ts';
import { sessionCleanupTool, sessionInfoTool } from './codex-session-tools.ts';
import { configureTool } from './configure-tool.ts';
import { allowEgressTool, denyEgressTool, listEgressTool } from './egress-tools.ts';
import { forkTool } from './fork-tool.ts';
import { type HealthReport, healthTool } from './health-tool.ts';
import { cleanupTool, pinTool, unpinTool } from './lifecycle-tools.ts';
import { promoteTool } from './promote-tool.ts';
import { listSessionsTool, mySessionTool } from './session-tools.ts';
import {
  deleteSnapshotTool,
  listSnapshotsTool,
  restoreTool,
  snapshotTool,
} from './snapshot-tools.ts';
import type { Tool } from './tool.ts';
import {
  cancelTurnTool,
  getTurnTool,
  listTurnsTool,
  steerTool,
  waitTurnTool,
} from './turn-tools.ts';
import { auditKind, auditTool } from './work/audit-tool.ts';
import { chatKind, chatTool } from './work/chat-tool.ts';
import { CODEX_KINDS, codexTool, replyTool } from './work/codex-tool.ts';
import { debugKind, debugTool } from './work/debug-tool.ts';
import { fixKind, fixTool } from './work/fix-tool.ts';
import { implementKind, implementTool } from './work/implement-tool.ts';
import { planKind, planTool } from './work/plan-tool.ts';
import { reviewKind, reviewTool } from './work/review-tool.ts';

/** Every kind of turn that a tool starts. */
export const TURN_KINDS: readonly TurnKind[] = [
  planKind,
  implementKind,
  reviewKind,
  fixKind,
  chatKind,
  auditKind,
  debugKind,
  ...CODEX_KINDS,
];

/** Names that other systems use for the same tools. They can be called and are not listed. */
export const TOOL_ALIASES = { codex_chat: 'chat' } as const;

/** Every tool, in the order in which clients list them. */
export function allTools(views: CallerViews, health: () => Promise<HealthReport>): readonly Tool[] {
  return [
    planTool(views),
    implementTool(views),
    reviewTool(views),
    fixTool(views),
    chatTool(views),
    auditTool(views),
    debugTool(views),
    codexTool(views),
    replyTool(views),
    sessionInfoTool(views),
    sessionCleanupTool(views),
    listSessionsTool(views),
    mySessionTool(views),
    configureTool(views),
    getTurnTool(views),
    waitTurnTool(views),
    steerTool(views),
    cancelTurnTool(views),
    listTurnsTool(views),
    getChangesTool(views),
    revertTurnTool(views),
    listApprovalsTool(views),
    decideApprovalTool(views),
    listActiveTool(views),
    agentStatusTool(views),
    forkTool(views),
    promoteTool(views),
    snapshotTool(views),
    listSnapshotsTool(views),
    restoreTool(views),
    deleteSnapshotTool(views),
    pinTool(views),
    unpinTool(views),
    cleanupTool(views),
    listEgressTool(views),
    allowEgressTool(views),
    denyEgressTool(views),
    healthTool(health),
  ];
}
