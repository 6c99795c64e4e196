import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { answerAnything } from '../fakes/stand-in-model/script.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const engine = inject('engine');
const docker = (args: string[], input = '') =>
  execFileSync('docker', args, { encoding: 'utf8', input });

describe.runIf(engine.available)('a start that fails is told with its reason', () => {
  let target: TestServer;
  beforeAll(async () => {
    target = await startTestServer({ runtime: 'docker', script: answerAnything });
  });
  afterAll(() => target?.[Symbol.asyncDispose]());

  /** Of the first call to an agent. */
  const refusal = async (agent_id: string, settings: Record<string, string>) => {
    await target.restart(settings);
    await using client = await connect(target);
    return await call(client, 'plan', { task: 'x', agent_id }).catch((error) => error);
  };

  test.each([
    ['a Codex that never answers', '#!/bin/sh\\nexec sleep 1000\\n', 'start_timeout'],
    ['a Codex that ends at once', '#!/bin/sh\\necho no luck >&2\\nexit 7\\n', 'container_lost'],
  ])('%s', async (_name, program, code) => {
    const image = await imageWithCodex(target, program);
    try {
      const settings = { AGENT_IMAGE: image, CONTAINER_STARTUP_TIMEOUT: '3' };
      expect(await refusal(code, settings)).toMatchObject({ code });
    } finally {
      docker(['rmi', '-f', image]);
    }
  });

  test('an AGENT_IMAGE that is not there', async () => {
    const settings = { AGENT_IMAGE: 'localhost/no/such-agent:1' };
    expect(await refusal('image', settings)).toMatchObject({ code: 'image_missing' });
  });
});

/** An image that looks like ours, with another Codex in it. */
async function imageWithCodex(target: TestServer, program: string): Promise<string> {
  await target.restart();
  const { runtime } = (await (await fetch(`${target.url}/health`)).json()) as {
    runtime: { image: string };
  };
  const dockerfile = `FROM ${runtime.image}\nUSER root\nRUN rm /usr/local/bin/codex && printf '${program}' > /usr/local/bin/codex && chmod 755 /usr/local/bin/codex\nUSER 1000\n`;
  const image = `codex-mcp-test:${Date.now()}`;
  docker(['build', '-q', '-t', image, '-'], dockerfile);
  return image;
}
