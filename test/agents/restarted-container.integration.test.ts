import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { newAgent } from '../../src/agents/agent.ts';
import { AgentsRig } from './agents-rig.ts';

const engine = inject('engine');

test.runIf(engine.available)(
  'a container that has to be started anew gets no directory that leads elsewhere now',
  async () => {
    const root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-root-')));
    onTestFinished(() => fs.rmSync(root, { recursive: true, force: true }));
    const directory = path.join(root, 'app');
    fs.mkdirSync(directory);
    for (const each of [root, directory]) fs.chmodSync(each, 0o777);
    const environment = { WORKSPACE_ROOTS: root, CODEX_ANSWER_TIMEOUT: '1' };
    await using rig = await AgentsRig.start('docker', environment);
    rig.store.agents.put(newAgent('a'));
    rig.store.agents.setWorkspacePath('a', directory);
    await rig.use('a');
    await rig.shell('a', 'touch mine; pkill -STOP -x codex');
    fs.renameSync(directory, `${directory}-away`);
    fs.symlinkSync('/etc', directory);
    await rig.restart();
    const failure = { code: 'workspace_path_denied' };
    await expect(rig.use('a')).rejects.toMatchObject(failure);
    expect(await rig.stateOf('a')).toBe('stopped');
    fs.rmSync(directory);
    fs.renameSync(`${directory}-away`, directory);
    await rig.use('a');
    expect(await rig.shell('a', 'ls')).toBe('mine\n');
  },
);
