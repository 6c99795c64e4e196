import type { Logger } from 'pino';
import type { Principal } from '../../../identity/principal.ts';
import type { Caller } from '../../../tools/tool.ts';
import type { Toolbox } from '../../../tools/toolbox.ts';
import type { NoticedAgents } from '../agent-notices.ts';
import type { ApprovalDecider } from '../approvals/approval-form.ts';
import type { Tasks } from '../tasks/tasks.ts';
import type { McpSessions } from './mcp-sessions.ts';

/** What every MCP endpoint needs. */
export type McpRouteOptions = {
  toolbox: Toolbox;
  tasks: (caller: Caller) => Tasks;
  approvals: (principal: Principal) => ApprovalDecider;
  agents: (principal: Principal) => NoticedAgents;
  sessions: McpSessions;
  log: Logger;
  version: string;
};
