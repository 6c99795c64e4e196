import { spawnSync } from 'node:child_process';
import { expect, inject, test } from 'vitest';
import { runsOnce } from '../fakes/stand-in-model/script.ts';
import { call, connect, REAL_KEY, startTestServer } from './test-server.ts';

const engine = inject('engine');
const PLANTED = 'sk-planted-to-prove-the-search';

test.runIf(engine.available)(
  'the key of the model provider reaches the provider, and no command and nothing in the container',
  async () => {
    await using target = await startTestServer({
      runtime: 'docker',
      script: runsOnce(`echo ${PLANTED} > planted.txt; env`),
    });
    await using client = await connect(target);
    await call(client, 'implement', { task: 'x', agent_id: 'curious' });
    for (const { headers } of target.model.requests) {
      expect(headers.authorization).toBe(`Bearer ${REAL_KEY}`);
    }
    // Nor is the token of the gateway.
    const environment = target.model.requests.at(-1)?.seen.toolOutputs.join() ?? '';
    expect(environment).toContain('HOME=/home/agent');
    expect(environment).not.toMatch(/TOKEN|KEY/);
    const { sessions } = await call(client, 'list_sessions');
    const container: string = sessions[0].container_id;
    expect(everywhere(container, PLANTED)).toContain('/workspace/planted.txt');
    expect(everywhere(container, REAL_KEY)).toBe('');
    const image = target.config.AGENT_IMAGE ?? imageOf(container);
    for (const told of [
      ['inspect', container],
      ['logs', container],
      ['history', '--no-trunc', image],
    ])
      expect(docker(...told)).not.toContain(REAL_KEY);
  },
);

/** Files of all volumes and the image, environments, arguments and memory-backed files. */
function everywhere(container: string, secret: string): string {
  // The pattern is put together inside, so that the search does not find itself.
  const halves = [secret.slice(0, 6), secret.slice(6)];
  const script = `pattern="$0$1"
    grep -rlsF --exclude-dir=proc --exclude-dir=sys -e "$pattern" /workspace /home /tmp /etc /var /run /root /opt /usr/local
    for dir in /proc/[0-9]*; do grep -lsF -e "$pattern" $dir/environ $dir/cmdline; done`;
  const search = spawnSync(
    'docker',
    ['exec', '--user', '1000', container, 'sh', '-c', script, ...halves],
    { encoding: 'utf8' },
  );
  expect(search.stderr).toBe('');
  return search.stdout.trim();
}

const imageOf = (container: string) => docker('inspect', '--format', '{{.Image}}', container);

function docker(...args: string[]): string {
  const { stdout, stderr, status } = spawnSync('docker', args, { encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return stdout.trim();
}
