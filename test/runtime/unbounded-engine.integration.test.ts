import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { expect, inject, test } from 'vitest';
import { diagnose } from '../cli/doctor-rig.ts';
import { startTestServer } from '../e2e/test-server.ts';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { extraAuthorities } from '../setup/engine.ts';
import { ENGINE_SOCKET, startTestGuard } from './engine-guard/test-guard.ts';

const TEST_MS = 120_000;
const WARNING = /limits of memory, processes and enforces none of them.* docs\/engine\.md/;

test.runIf(inject('engine').available)(
  'an engine that enforces no limits is warned of by health and the doctor, behind the guard too',
  async () => {
    await using engine = await startForgetfulEngine({ MemoryLimit: false, PidsLimit: false });
    await using guard = await startTestGuard({ engine: engine.socket });
    await using server = await startTestServer({
      runtime: 'docker',
      script: answerAnything,
      environment: { DOCKER_HOST: guard.url },
    });
    const health = await fetch(`${server.url}/health`);
    expect(health.status).toBe(200);
    expect(await health.json()).toMatchObject({
      ready: true,
      status: 'degraded',
      problems: [expect.stringMatching(WARNING)],
    });
    await server.stop();
    const authorities = extraAuthorities();
    const { complaints, ok } = await diagnose({
      AGENT_RUNTIME: 'docker',
      DATA_DIR: server.dataDir,
      DOCKER_HOST: guard.url,
      OPENAI_API_KEY: 'sk-x',
      OPENAI_BASE_URL: server.model.url,
      ...(authorities && { EXTRA_CA_CERTS: authorities }),
    });
    expect(ok).toBe(true);
    expect(complaints).toEqual([expect.stringMatching(/^warning \| Limits \| .*enforces none/)]);
  },
  TEST_MS,
);

/** The engine of the tests, which tells something else of itself. */
async function startForgetfulEngine(info: object) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-engine-'));
  const socket = path.join(directory, 'engine.sock');
  const server = http.createServer((request, response) => {
    const { method, url = '', headers } = request;
    const options = { socketPath: ENGINE_SOCKET, method, path: url, headers, agent: false };
    const asked = http.request(options, async (answer) => {
      if (!url.endsWith('/info')) {
        answer.pipe(response.writeHead(answer.statusCode ?? 502, answer.headers));
        return;
      }
      const told = (await json(answer)) as object;
      response.end(JSON.stringify({ ...told, ...info }));
    });
    request.pipe(asked.on('error', () => response.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    socket,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      fs.rmSync(directory, { recursive: true, force: true });
    },
  };
}
