import fs from 'node:fs';
import { expect } from 'vitest';
import { WebSocket } from 'ws';
import { freePort } from '../machine/free-port.ts';

import type { Main } from './main-process.ts';

/** What a server holds: open files by kind, and what keeps its event loop alive. */
export type Resources = { fds: number; active: Record<string, number> };

export type Inspector = {
  /** For the environment of the server. */
  NODE_OPTIONS: string;
  look(server: Main): Promise<Resources>;
};

/** Looks into a server from outside, by Node's own inspector. */
export async function inspector(): Promise<Inspector> {
  const port = await freePort();
  return {
    NODE_OPTIONS: `--inspect-port=127.0.0.1:${port}`,
    async look({ process: child }) {
      const pid = child.pid ?? 0;
      const url = await debuggerUrl(port, () => process.kill(pid, 'SIGUSR1'));
      const names = await evaluate(url, 'JSON.stringify(process.getActiveResourcesInfo())');
      return { fds: fs.readdirSync(`/proc/${pid}/fd`).length, active: count(JSON.parse(names)) };
    },
  };
}

async function debuggerUrl(port: number, open: () => void): Promise<string> {
  const targets = () =>
    fetch(`http://127.0.0.1:${port}/json`, { headers: { connection: 'close' } });
  const answer = await targets().catch(() => undefined);
  if (!answer) open();
  let url = '';
  await expect
    .poll(async () => {
      const [target] = (await (await targets()).json()) as { webSocketDebuggerUrl: string }[];
      url = target?.webSocketDebuggerUrl ?? '';
      return url;
    })
    .not.toBe('');
  return url;
}

function evaluate(url: string, expression: string): Promise<string> {
  const socket = new WebSocket(url);
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => {
      const params = { expression, returnByValue: true };
      socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params }));
    });
    socket.on('message', (message) => {
      const answer = JSON.parse(String(message)) as { result: { result: { value: string } } };
      resolve(answer.result.result.value);
      socket.terminate();
    });
  });
}

function count(names: string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
