import path from 'node:path';
import type { ThreadSettings } from '../agents/threads/thread.ts';
import type { ServerRequest } from '../codex/server-requests/server-request.ts';

export const RISKS = ['low', 'medium', 'high', 'critical'] as const;
export type Risk = (typeof RISKS)[number];

/** The permissions of a turn, in the words of the `codex` tool. */
export type TurnPowers = {
  sandbox: ThreadSettings['sandbox'];
  fullAuto: boolean;
  mode: NonNullable<ThreadSettings['mode']>;
};

export function riskOf({ sandbox, fullAuto, mode }: TurnPowers): Risk {
  const isCi = mode === 'ci';
  if (sandbox === 'danger-full-access') return fullAuto && isCi ? 'critical' : 'high';
  return sandbox === 'workspace-write' || fullAuto || isCi ? 'medium' : 'low';
}

export type AskedPowers = Pick<ServerRequest, 'kind' | 'wantsMore' | 'cwd'>;

export type RiskyAsk = ServerRequest & { risk: Risk };

export function riskOfAsk({ kind, wantsMore, cwd }: AskedPowers, workspace: string): Risk {
  if (kind === 'user_input') return 'low';
  return wantsMore || kind === 'permission' || !isInside(workspace, cwd) ? 'high' : 'medium';
}

function isInside(workspace: string, directory: string = workspace): boolean {
  const relative = path.posix.relative(workspace, directory);
  return relative !== '..' && !relative.startsWith('../');
}
