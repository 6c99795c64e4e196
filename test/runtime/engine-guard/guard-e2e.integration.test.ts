import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, inject, test } from 'vitest';
import { diagnose } from '../../cli/doctor-rig.ts';
import { call, connect, startTestServer } from '../../e2e/test-server.ts';
import { runsOnce } from '../../fakes/stand-in-model/script.ts';
import { extraAuthorities } from '../../setup/engine.ts';
import { nodeEnvironment } from '../../setup/node-programs.ts';
import { ENGINE_SOCKET } from './test-guard.ts';

const MAIN = path.join(import.meta.dirname, '../../../src/main.ts');
const TEST_MS = 180_000;

/** `codex-hangar engine-guard`, as compose runs it. */
async function runGuard(args: string[], settings: Record<string, string> = {}) {
  const authorities = extraAuthorities();
  const env = {
    ...nodeEnvironment(),
    ...(authorities && { EXTRA_CA_CERTS: authorities }),
    ...settings,
  };
  const command = [MAIN, 'engine-guard', '--env-file', '/dev/null', ...args];
  const guard = spawn(process.execPath, command, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  guard.stderr.on('data', (chunk) => {
    output += String(chunk);
  });
  const exited = once(guard, 'exit');
  const listening = expect.poll(() => output, { timeout: 90_000 }).toContain('Guarding the engine');
  await Promise.race([listening, exited]);
  return { guard, exited, output: () => output };
}

async function stop(guard: ChildProcess): Promise<void> {
  guard.kill();
  const [code] = await once(guard, 'exit');
  expect(code).toBe(0);
}

test.runIf(inject('engine').available)(
  'a server works behind the guard, over a restart of it, and so does the doctor',
  async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-guard-e2e-'));
    const url = `unix://${directory}/engine.sock`;
    const remember = path.join(directory, 'installation');
    const args = ['--socket', ENGINE_SOCKET, '--listen', url, '--remember', remember];
    const first = await runGuard(args);
    await using server = await startTestServer({
      runtime: 'docker',
      script: runsOnce('date >> times.txt'),
      environment: { DOCKER_HOST: url },
    });
    await using client = await connect(server);
    const made = await call(client, 'implement', { task: 'Tell the time', agent_id: 'guarded' });
    expect(made.changes).toMatchObject([{ file: 'times.txt', action: 'create' }]);

    first.guard.kill('SIGKILL');
    await first.exited;
    const second = await runGuard(args);
    const again = await call(client, 'implement', { task: 'And again', agent_id: 'guarded' });
    expect(again.changes).toMatchObject([{ file: 'times.txt', action: 'modify' }]);
    expect(again.session_id).toBe(made.session_id);

    await server.stop();
    const { complaints } = await diagnose({
      AGENT_RUNTIME: 'docker',
      DATA_DIR: server.dataDir,
      DOCKER_HOST: url,
      OPENAI_API_KEY: 'sk-x',
      OPENAI_BASE_URL: server.model.url,
      ...(extraAuthorities() && { EXTRA_CA_CERTS: extraAuthorities() ?? '' }),
    });
    expect(complaints).toEqual([]);
    expect(`${first.output()}${second.output()}`).not.toMatch(/Refused|"level":[45]0/);
    await stop(second.guard);
    fs.rmSync(directory, { recursive: true });
  },
  TEST_MS,
);

test('a place to listen at that is none is named', async () => {
  const { guard, exited, output } = await runGuard(['--listen', 'docker.sock']);
  await exited;
  expect(guard.exitCode).toBe(2);
  expect(output()).toContain('--listen is "docker.sock". Allowed: unix:///path or tcp://host:port');
});

test('wrong settings stop it, and it needs none but its own', async () => {
  const wrong = { CONTAINER_MEMORY_LIMIT: 'much', CODEX_PROVIDER: 'Not One' };
  const { guard, exited, output } = await runGuard([], wrong);
  await exited;
  expect(guard.exitCode).toBe(2);
  expect(output()).toMatch(/CONTAINER_MEMORY_LIMIT is "much"/);
  expect(output()).not.toContain('CODEX_PROVIDER');
});
