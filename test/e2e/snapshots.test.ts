import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runsOnce } from '../fakes/stand-in-model/script.ts';
import { createWorld, type Main, type World } from './main-process.ts';
import { type Connection, call, connect } from './test-server.ts';

const ASK = { task: 'x', agent_id: 'a' };

let world: World;
let server: Main;
let client: Connection;
beforeAll(async () => {
  world = await createWorld('process', { model: { script: runsOnce('echo x >> x.txt') } });
  server = await world.start();
  client = await connect(server);
  await call(client, 'implement', ASK);
});
afterAll(async () => {
  await client?.[Symbol.asyncDispose]();
  await world?.[Symbol.asyncDispose]();
});

test('what a git that was killed left behind is no bar to the next turn', async () => {
  for (const index of ['files.index', 'meta.index']) {
    fs.writeFileSync(path.join(snapshots(), index), 'cut short');
    fs.writeFileSync(path.join(snapshots(), `${index}.lock`), '');
  }
  const { changes } = await call(client, 'implement', ASK);
  expect(changes).toMatchObject([{ file: 'x.txt', action: 'modify' }]);
});

test('files that cannot be recorded fail the turn and not the server', async () => {
  fs.rmSync(snapshots(), { recursive: true });
  fs.writeFileSync(snapshots(), '');
  await expect(call(client, 'implement', ASK)).rejects.toMatchObject({ code: 'workspace_failed' });
  fs.rmSync(snapshots());
  await call(client, 'cleanup_inactive_agents');
  expect(await call(client, 'implement', ASK)).toMatchObject({ agent_id: 'a' });
  expect(server.process.exitCode).toBe(null);
});

function snapshots(): string {
  return path.join(world.dataDir, 'agents/a/home/.workspace-snapshots');
}
