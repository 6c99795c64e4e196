import http from 'node:http';
import { Duplex, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { HttpServerOptions } from '../../../src/transports/http-server.ts';
import { startTestServer } from '../http/test-server.ts';

const TYPE = 'application/x-git-receive-pack-request';

test('a push may take longer to arrive than other requests, if it does not stand still', async () => {
  await using server = await startTestServer({ GIT_IDLE_TIMEOUT: '2' }, [], {
    workspaces: () => countingGit(),
    receiveTimeoutMs: 300,
  });
  const url = `${server.url}/agents/a/workspace.git/git-receive-pack`;
  expect(await answerTo(url, 8, 200)).toEqual({ status: 200, body: '8000 bytes' });
  await expect(answerTo(url, 2, 4000)).rejects.toThrow();
  expect(await answerTo(`${server.url}/tools/echo`, 8, 200)).toMatchObject({ status: 408 });
});

test('as many git operations run as may, and bodies that git would not send are refused', async () => {
  await using server = await startTestServer({ GIT_MAX_OPERATIONS: '1' }, [], {
    workspaces: () => countingGit(),
  });
  const url = `${server.url}/agents/a/workspace.git/git-receive-pack`;
  const first = answerTo(url, 4, 200);
  await sleep(200);
  const second = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': TYPE },
    body: '00000000',
  });
  expect(second.status).toBe(503);
  expect(await second.json()).toMatchObject({ error: { code: 'too_many_git_operations' } });
  expect((await first).status).toBe(200);
  const json = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  expect(json.status).toBe(400);
  const other = await fetch(`${server.url}/agents/a/workspace.git/info/refs?service=git-x`);
  expect(other.status).toBe(400);
});

/** In place of an agent's git: reads all, and tells how much it was once nothing more comes for a while. */
function countingGit(): ReturnType<HttpServerOptions['workspaces']> {
  const run = (_name: string, use: (link: never, agent: never) => Promise<unknown>) =>
    use({ workspace: { hooks: '', exec } } as never, { agentId: 'a' } as never) as Promise<never>;
  return { read: run, change: run, has: () => true };
}

async function exec() {
  let bytes = 0;
  let timer: NodeJS.Timeout;
  const stdio = new Duplex({
    read() {},
    write(chunk, _encoding, done) {
      bytes += chunk.length;
      clearTimeout(timer);
      timer = setTimeout(() => {
        stdio.push(`${bytes} bytes`);
        stdio.push(null);
      }, 1000);
      done();
    },
  });
  stdio.once('close', () => clearTimeout(timer));
  return { stdio, stderr: Readable.from([]), exited: Promise.resolve(0) };
}

/** Sends a body in pieces of 1000 bytes, with pauses between them. */
function answerTo(url: string, pieces: number, pauseMs: number) {
  return new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const isTool = url.includes('/tools/');
    const headers = { 'content-type': isTool ? 'application/json' : TYPE };
    const request = http.request(url, { method: 'POST', headers }, async (response) => {
      let body = '';
      try {
        for await (const chunk of response) body += chunk;
        resolve({ status: response.statusCode, body });
      } catch (error) {
        reject(error);
      }
    });
    request.on('error', reject);
    const send = async () => {
      for (let piece = 0; piece < pieces; piece += 1) {
        request.write(Buffer.alloc(1000, ' '));
        await sleep(pauseMs);
      }
      request.end();
    };
    send().catch(reject);
  });
}
