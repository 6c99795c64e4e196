import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { serveGit } from '../../src/workspaces/git-remote/git-service.ts';
import { AgentsRig } from '../agents/agents-rig.ts';

test('a git that waits for more than was sent is told that there is none', async () => {
  await using rig = await AgentsRig.start('process');
  const bounds = { maxBytes: 1000, idleSeconds: 20, totalSeconds: 30, quietSeconds: 1 };
  const { signal } = new AbortController();
  const startedAt = performance.now();
  await rig.agents.withAgent('a', async ({ workspace }) => {
    // A whole body, as its client says, of half a request.
    const body = Readable.from([Buffer.from('0014command=ls-refs\n')]);
    const request = { service: 'git-upload-pack', protocol: '2', body } as const;
    const served = serveGit(workspace, request, { send: async () => undefined, bounds, signal });
    await expect(served).rejects.toMatchObject({ code: 'workspace_failed' });
  });
  expect(performance.now() - startedAt).toBeLessThan(15_000);
});
