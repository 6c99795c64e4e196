import fs from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { runsOnce } from '../fakes/stand-in-model/script.ts';
import { createWorld, type World } from './main-process.ts';
import { call, connect } from './test-server.ts';

const ASK = { task: 'x', agent_id: 'a' };

test('what a git that was killed left behind is no bar to the next turn', async () => {
  await using world = await createWorld('process');
  world.model.setScript(runsOnce('echo x >> x.txt'));
  await using client = await connect(await world.start());
  await call(client, 'implement', ASK);
  for (const index of ['files.index', 'meta.index']) {
    fs.writeFileSync(path.join(snapshotsOf(world), index), 'cut short');
    fs.writeFileSync(path.join(snapshotsOf(world), `${index}.lock`), '');
  }
  const { changes } = await call(client, 'implement', ASK);
  expect(changes).toMatchObject([{ file: 'x.txt', action: 'modify' }]);
});

test('files that cannot be recorded fail the turn and not the server', async () => {
  await using world = await createWorld('process');
  world.model.setScript(runsOnce('echo x >> x.txt'));
  const server = await world.start();
  await using client = await connect(server);
  await call(client, 'implement', ASK);
  fs.rmSync(snapshotsOf(world), { recursive: true });
  fs.writeFileSync(snapshotsOf(world), '');
  await expect(call(client, 'implement', ASK)).rejects.toMatchObject({ code: 'workspace_failed' });
  fs.rmSync(snapshotsOf(world));
  await call(client, 'cleanup_inactive_agents');
  expect(await call(client, 'implement', ASK)).toMatchObject({ agent_id: 'a' });
  expect(server.process.exitCode).toBe(null);
});

function snapshotsOf({ dataDir }: World): string {
  return path.join(dataDir, 'agents/a/home/.workspace-snapshots');
}
