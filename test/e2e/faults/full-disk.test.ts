import { describe, expect, inject, test } from 'vitest';
import { fillSchema } from '../../fakes/stand-in-model/fill-schema.ts';
import { json, shell } from '../../fakes/stand-in-model/step.ts';
import { call, connect, startTestServer, type TestServer } from '../test-server.ts';
import { mountSmallDisk } from './small-disk.ts';

const engine = inject('engine');

describe.runIf(engine.available)('when the disk of DATA_DIR is full', () => {
  test('a turn ends with its result, calls are refused with what to do, and all goes on once there is space', async (context) => {
    using disk = mountSmallDisk(8) ?? context.skip('only root can mount a small disk');
    await using target = await startTestServer({
      runtime: 'docker',
      // The second command comes, and is written down in vain, while the disk is full.
      script: ({ prompt, toolOutputs, schema }) => {
        const commands = ['sleep 1; echo kept > kept.txt', 'sleep 1'];
        const command = prompt.includes('slow') ? commands[toolOutputs.length] : undefined;
        return command ? shell(command) : json(fillSchema(schema));
      },
      dataDir: disk.directory,
    });
    await using client = await connect(target);
    const running = call(client, 'implement', { task: 'slow', agent_id: 'a' });
    await expect.poll(() => client.progress.join()).toContain('sleep 1');
    disk.fill();
    const result = await running;
    expect(result.changes).toMatchObject([{ file: 'kept.txt' }]);
    const { turn_id } = result;
    expect(await call(client, 'get_turn', { turn_id })).toMatchObject({ result });
    expect(await events(target, turn_id)).toContain('command_completed');
    for (const agent_id of ['a', 'new']) {
      const refused = call(client, 'plan', { task: 'x', agent_id });
      await expect(refused).rejects.toMatchObject({
        code: 'storage_full',
        message: expect.stringContaining('"retryable": true'),
      });
    }
    const health = await fetch(`${target.url}/health`);
    expect(health.status).toBe(503);
    expect(JSON.stringify(await health.json())).toContain('DATA_DIR');
    disk.free();
    // A stop is the last chance to write, and the next server knows only what was written.
    await target.restart();
    expect((await fetch(`${target.url}/health`)).status).toBe(200);
    await using later = await connect(target);
    expect(await call(later, 'get_turn', { turn_id })).toMatchObject({
      state: 'completed',
      result,
    });
    expect(await events(target, turn_id)).toContain('command_completed');
    const next = await call(later, 'plan', { task: 'x', agent_id: 'a' });
    expect(next.session_id).toBe(result.session_id);
  });
});

/** The types of all events of a turn that has ended. */
async function events({ url }: TestServer, turnId: string): Promise<string[]> {
  const answer = await fetch(`${url}/api/v1/turns/${turnId}/events`, {
    headers: { accept: 'text/event-stream' },
  });
  return [...(await answer.text()).matchAll(/^event: (.*)$/gm)].map(([, type = '']) => type);
}
