import type { AgentManager } from '../agents/agent-manager.ts';
import type { AgentStore } from '../agents/agent-store.ts';
import type { ThreadStore } from '../agents/threads/thread-store.ts';
import type { Access } from '../callers/access.ts';
import type { Changes } from '../callers/changes/changes.ts';
import type { Promotion } from '../callers/changes/promotion.ts';
import type { Config } from '../config/config.ts';
import type { Egress } from '../gateway/egress/egress.ts';
import type { ContainerRuntime } from '../runtime/container-runtime.ts';
import type { TurnKind } from '../turns/turn-kind.ts';
import type { TurnService } from '../turns/turn-service.ts';
import type { TurnStore } from '../turns/turn-store.ts';
import { agentStatusTool, listActiveTool } from './agent-tools.ts';
import { decideApprovalTool, listApprovalsTool } from './approval-tools.ts';
import { getChangesTool, revertTurnTool } from './change-tools.ts';
import { sessionCleanupTool, sessionInfoTool } from './codex-session-tools.ts';
import { configureTool } from './configure-tool.ts';
import { allowEgressTool, denyEgressTool, listEgressTool } from './egress-tools.ts';
import { forkTool } from './fork-tool.ts';
import type { HealthReport } from './health/health-check.ts';
import { healthTool } from './health-tool.ts';
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

/** Every kind of turn that tools submit. */
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

/** Names that callers of other systems use. They can be called and are not listed. */
export const TOOL_ALIASES = { codex_chat: 'chat' } as const;

type Services = {
  access: Access;
  agents: AgentManager;
  turns: TurnService;
  changes: Changes;
  promotion: Promotion;
  store: { agents: AgentStore; threads: ThreadStore; turns: TurnStore };
  runtime: ContainerRuntime;
  egress: Egress;
  config: Config;
  health: () => Promise<HealthReport>;
};

/** Every tool, in the order in which clients list them. */
export function allTools(services: Services): readonly Tool[] {
  const { access, changes, promotion, health } = services;
  return [
    planTool(access),
    implementTool(access),
    reviewTool(access),
    fixTool(access),
    chatTool(access),
    auditTool(access),
    debugTool(access),
    codexTool(services),
    replyTool(services),
    sessionInfoTool(services),
    sessionCleanupTool(services),
    listSessionsTool(services),
    mySessionTool(services),
    configureTool(access),
    getTurnTool(access),
    waitTurnTool(access),
    steerTool(access),
    cancelTurnTool(access),
    listTurnsTool(access),
    getChangesTool(changes),
    revertTurnTool(changes),
    listApprovalsTool(access),
    decideApprovalTool(access),
    listActiveTool(services),
    agentStatusTool(services),
    forkTool(access),
    promoteTool(promotion),
    snapshotTool(access),
    listSnapshotsTool(access),
    restoreTool(access),
    deleteSnapshotTool(access),
    pinTool(services),
    unpinTool(services),
    cleanupTool(services),
    listEgressTool(services),
    allowEgressTool(services),
    denyEgressTool(services),
    healthTool(health),
  ];
}
