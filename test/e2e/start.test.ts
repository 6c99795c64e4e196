import { execFileSync } from 'node:child_process';
import { describe, expect, inject, test } from 'vitest';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { call, connect, startTestServer } from './test-server.ts';

const engine = inject('engine');
const docker = (args: string[], input = '') =>
  execFileSync('docker', args, { encoding: 'utf8', input });

/** An image that looks like one of ours, with another Codex in it. */
async function imageWithCodex(program: string): Promise<string> {
  await using target = await startTestServer({ runtime: 'docker', script: answerAnything });
  const { runtime } = (await (await fetch(`${target.url}/health`)).json()) as {
    runtime: { image: string };
  };
  const dockerfile = `FROM ${runtime.image}\nUSER root\nRUN rm /usr/local/bin/codex && printf '${program}' > /usr/local/bin/codex && chmod 755 /usr/local/bin/codex\nUSER 1000\n`;
  const image = `codex-mcp-test:${Date.now()}`;
  docker(['build', '-q', '-t', image, '-'], dockerfile);
  return image;
}

describe.runIf(engine.available)('a start that fails is told with its reason', () => {
  test.each([
    ['a Codex that never answers', '#!/bin/sh\\nexec sleep 1000\\n', 'start_timeout'],
    ['a Codex that ends at once', '#!/bin/sh\\necho no luck >&2\\nexit 7\\n', 'container_lost'],
  ])('%s', async (_name, program, code) => {
    const image = await imageWithCodex(program);
    try {
      await using target = await startTestServer({
        runtime: 'docker',
        script: answerAnything,
        environment: { AGENT_IMAGE: image, CONTAINER_STARTUP_TIMEOUT: '3' },
      });
      await using client = await connect(target);
      const failing = call(client, 'plan', { task: 'x', agent_id: 'stuck' });
      await expect(failing).rejects.toMatchObject({ code });
    } finally {
      docker(['rmi', '-f', image]);
    }
  });

  test('an AGENT_IMAGE that is not there', async () => {
    await using target = await startTestServer({
      runtime: 'docker',
      script: answerAnything,
      environment: { AGENT_IMAGE: 'localhost/no/such-agent:1' },
    });
    await using client = await connect(target);
    const failing = call(client, 'plan', { task: 'x' });
    await expect(failing).rejects.toMatchObject({ code: 'image_missing' });
  });
});
