import { execFileSync } from 'node:child_process';
import { describe, expect, inject, test } from 'vitest';
import { runsOnce } from '../../fakes/stand-in-model/script.ts';
import { type Connection, call, connect, startTestServer } from '../test-server.ts';

const engine = inject('engine');
const FILES_LOST = expect.stringContaining('its files were lost');
const CONVERSATION_LOST = expect.stringContaining('was lost; a new one was started');

describe.runIf(engine.available)('volumes that somebody removed', () => {
  test('begin anew, and the next result says so', async () => {
    await using target = await startTestServer({
      runtime: 'docker',
      script: runsOnce('ls; echo here > here.txt'),
    });
    await using client = await connect(target);
    const work = async () => {
      const result = await call(client, 'implement', { task: 'x', agent_id: 'a' });
      const listed = target.model.requests.at(-1)?.seen.toolOutputs.join() ?? '';
      return { result, hadFile: listed.includes('here.txt') };
    };
    const first = await work();
    expect(first).toMatchObject({ hadFile: false });
    expect(first.result.notes).toBeUndefined();

    await removeVolumes(client, ['workspace']);
    const withoutFiles = await work();
    expect(withoutFiles).toMatchObject({ hadFile: false, result: { notes: [FILES_LOST] } });
    expect(withoutFiles.result.session_id).toBe(first.result.session_id);
    expect(client.progress.join()).toContain('its files were lost');

    await removeVolumes(client, ['home']);
    const withoutHome = await work();
    expect(withoutHome).toMatchObject({ hadFile: true, result: { notes: [CONVERSATION_LOST] } });
    expect(withoutHome.result.session_id).not.toBe(first.result.session_id);

    const last = await work();
    expect(last).toMatchObject({ hadFile: true });
    expect(last.result.notes).toBeUndefined();
    expect(last.result.session_id).toBe(withoutHome.result.session_id);
  });
});

/** As an operator clears up; a volume that a container has cannot be removed. */
async function removeVolumes(client: Connection, kinds: string[]): Promise<void> {
  const { sessions } = await call(client, 'list_sessions', { agent_id: 'a' });
  const [{ container_id: container }] = sessions;
  const docker = (...args: string[]) => execFileSync('docker', args, { encoding: 'utf8' }).trim();
  const name = docker('inspect', '--format', '{{.Name}}', container).slice(1);
  docker('rm', '--force', container);
  docker('volume', 'rm', ...kinds.map((kind) => `${name}-${kind}`));
}
