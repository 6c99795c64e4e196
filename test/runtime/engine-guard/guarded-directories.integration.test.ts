import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { chooseRuntime } from '../../../src/runtime/choose-runtime.ts';
import type { ContainerRuntime } from '../../../src/runtime/container-runtime.ts';
import { call, connect, startTestServer, type TestServer } from '../../e2e/test-server.ts';
import { runsOnce } from '../../fakes/stand-in-model/script.ts';
import { startTestGuard, type TestGuard } from './test-guard.ts';

const AGENT_UID = 1000;

describe.runIf(inject('engine').available)('directories of the machine behind the guard', () => {
  const top = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-guarded-')));
  const at = (...names: string[]) => path.join(top, ...names);
  let guard: TestGuard;
  let server: TestServer;
  /** What a server has that looks at no path itself. */
  let runtime: ContainerRuntime;

  beforeAll(async () => {
    fs.chmodSync(top, 0o755);
    for (const name of ['root/app/inner', 'root/other', 'outside']) openDirectory(at(name));
    openDirectory(at('root/app'));
    fs.symlinkSync(at('outside'), at('root/out'));
    const environment = { WORKSPACE_ROOTS: at('root') };
    guard = await startTestGuard({ environment, remember: at('installation') });
    server = await startTestServer({
      runtime: 'docker',
      script: runsOnce('echo made > made.txt; stat -c %u .; echo below > inner/below.txt'),
      environment: { ...environment, DOCKER_HOST: guard.url },
    });
    const installationId = fs.readFileSync(at('installation'), 'utf8').trim();
    const log = pino({ level: 'silent' });
    ({ runtime } = await chooseRuntime({ config: server.config, installationId, log }));
  });
  afterAll(async () => {
    await runtime?.remove('taken-over', { volumes: true });
    await server?.[Symbol.asyncDispose]();
    await guard?.[Symbol.asyncDispose]();
    fs.rmSync(top, { recursive: true, force: true });
  });
  const create = (workspacePath: string) =>
    runtime.create({ agentId: 'taken-over', env: {}, workspacePath });

  test('one below a root is mounted, written as the user of agents, and forked', async () => {
    await using client = await connect(server);
    const args = { agent_id: 'mine', task: 'x' };
    const { changes } = await call(client, 'implement', {
      ...args,
      source: { path: at('root/app') },
    });
    expect(changes).toMatchObject([{ file: 'inner/below.txt' }, { file: 'made.txt' }]);
    expect(fs.statSync(at('root/app/made.txt')).uid).toBe(AGENT_UID);
    await call(client, 'fork_agent', { agent_id: 'mine', new_agent_id: 'fork' });
    const found = await call(client, 'implement', { ...args, agent_id: 'fork' });
    expect(found.changes).toEqual([]);
    expect(guard.lines.filter(({ msg }) => msg === 'Refused')).toEqual([]);
  });

  test('what is elsewhere, or behind a link, is refused by the server and by the guard', async () => {
    await using client = await connect(server);
    const refusals = [
      [at('outside'), 'workspace_path_denied', "is outside of the guard's WORKSPACE_ROOTS"],
      [top, 'workspace_path_denied', "is outside of the guard's WORKSPACE_ROOTS"],
      [at('root/out'), 'workspace_path_denied', 'is a link'],
      [at('root/gone'), 'workspace_path_unusable', 'the guard cannot read'],
    ] as const;
    for (const [directory, code, words] of refusals) {
      const asked = { agent_id: 'new', task: 'x', source: { path: directory } };
      await expect(call(client, 'plan', asked), directory).rejects.toMatchObject({ code });
      const refused = { code: 'engine_refused', message: expect.stringContaining(words) };
      await expect(create(directory), directory).rejects.toMatchObject(refused);
    }
  });

  test('no agent can lead the directory of another elsewhere', async () => {
    const overlaps = { code: 'engine_refused', message: expect.stringContaining('overlaps') };
    await expect(create(at('root/app/inner'))).rejects.toMatchObject(overlaps);
    await expect(create(at('root'))).rejects.toMatchObject(overlaps);
    // What it leaves behind when it is gone is found.
    const swap = 'rm -r inner && ln -s /etc inner && echo swapped';
    const child = await runtime.exec('mine', ['sh', '-c', swap], { cwd: '/workspace' });
    child.stdio.end();
    expect(await text(child.stdio)).toContain('swapped');
    await runtime.remove('mine', { volumes: false });
    const isLink = { code: 'engine_refused', message: expect.stringContaining('inner is a link') };
    await expect(create(at('root/app/inner'))).rejects.toMatchObject(isLink);
  });

  test('what was put in the place of a directory since is not mounted at the next start', async () => {
    await create(at('root/other'));
    await runtime.start('taken-over');
    await runtime.stop('taken-over', { graceSeconds: 0 });
    fs.renameSync(at('root/other'), at('root/moved'));
    fs.symlinkSync('/etc', at('root/other'));
    const isLink = { code: 'engine_refused', message: expect.stringContaining('other is a link') };
    await expect(runtime.start('taken-over')).rejects.toMatchObject(isLink);
  });
});

function openDirectory(directory: string): void {
  fs.mkdirSync(directory, { recursive: true });
  fs.chmodSync(directory, 0o777);
}
