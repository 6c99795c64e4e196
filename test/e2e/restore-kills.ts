import { expect } from 'vitest';
import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { obey } from '../fakes/stand-in-model/script.ts';
import { containerOf } from './git-client.ts';
import { holdPlacing, inWorkspaceOf } from './held-shell.ts';
import { createWorld, kill, type Main } from './main-process.ts';
import { call, connect } from './test-server.ts';
import { thingsOf } from './things.ts';

/** No other test on the engine has an agent of this name. */
const NEW = `restored-${process.pid}`;
/** Moments of putting a restored snapshot in its place, and what the agent is afterwards. */
export const PLACING_BEGINS = { moment: 'true', isRestored: false };
export const PLACING_ENDS = {
  moment: '[ -e "$STAGING/../.workspace-restored" ] || [ -e /home/agent/.workspace-restored ]',
  isRestored: true,
};

/** Kills the server while it restores an agent that is new, and one that is there at some moments. */
export async function killedRestoresAreWhole(
  runtime: RuntimeKind,
  moments: readonly (typeof PLACING_BEGINS)[],
): Promise<void> {
  await using world = await createWorld(runtime);
  world.model.setScript(obey);
  let server = await world.start();
  const configure = (instructions: string) =>
    asked(server, 'configure_agent', { agent_id: 'one', instructions });
  const restart = async () => {
    await kill(server, 'SIGKILL');
    server = await world.start();
  };
  await configure('old');
  const task =
    'run:echo old > f; seq 3000 | xargs touch; mkdir d; head -c 9000000 /dev/urandom > d/big';
  const { session_id } = await asked(server, 'implement', { agent_id: 'one', task });
  const { snapshot_id } = await asked(server, 'snapshot', { agent_id: 'one' });

  const restore = (more: object) => asked(server, 'restore', { snapshot_id, ...more });
  restore({ agent_id: NEW }).catch(() => undefined);
  await expect.poll(() => thingsOf(world, NEW), { interval: 20 }).not.toEqual([]);
  await restart();
  const { sessions } = await asked(server, 'list_sessions', {});
  expect(sessions).toMatchObject([{ agent_id: 'one' }]);
  expect(await thingsOf(world, NEW)).toEqual([]);

  await configure('new');
  await asked(server, 'implement', { agent_id: 'one', task: 'run:echo new > f; rm d/big' });
  const container = runtime === 'docker' ? await containerOf(server, 'one') : undefined;
  const home = { dataDir: world.dataDir, agentId: 'one', container };
  /** What the agent has, by its files, its settings and its conversation. */
  const state = async () => ({
    file: await inWorkspaceOf(home, 'cat f; ls d; ls | wc -l'),
    settings: (await asked(server, 'configure_agent', { agent_id: 'one' })).instructions,
    isOther:
      (await asked(server, 'plan', { agent_id: 'one', task: 'x' })).session_id !== session_id,
  });
  const before = { file: 'new\n3002\n', settings: 'new', isOther: false };
  const after = { file: 'old\nbig\n3002\n', settings: 'old', isOther: true };
  for (const { moment, isRestored } of moments) {
    const { held } = await holdPlacing(home, moment);
    restore({ agent_id: 'one', replace: true }).catch(() => undefined);
    await held;
    await restart();
    expect(await state(), moment).toEqual(isRestored ? after : before);
  }
  expect(await restore({ agent_id: NEW })).toMatchObject({ agent_id: NEW, conversation: true });
}

async function asked(server: Main, tool: string, args: Record<string, unknown>) {
  await using client = await connect(server);
  return await call(client, tool, args);
}
