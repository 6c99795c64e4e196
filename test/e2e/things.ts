import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { World } from './main-process.ts';

const run = promisify(execFile);

/** All that the runtime has of an agent: containers and volumes, or a directory. */
export async function thingsOf(world: World, agentId: string): Promise<string[]> {
  if (world.environment.AGENT_RUNTIME === 'process') {
    const directory = path.join(world.dataDir, 'agents', agentId);
    return fs.existsSync(directory) ? [directory] : [];
  }
  const filter = ['-q', '--filter', `label=codex-mcp.agent=${agentId}`];
  const found = await Promise.all([
    run('docker', ['ps', '-a', ...filter]),
    run('docker', ['volume', 'ls', ...filter]),
  ]);
  return found.flatMap(({ stdout }) => stdout.split('\n').filter((line) => line !== ''));
}
