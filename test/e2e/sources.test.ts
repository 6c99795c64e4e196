import { execFileSync } from 'node:child_process';
import tls from 'node:tls';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest';
import { GitCredentials } from '../../src/gateway/credentials/git-credentials.ts';
import { answerAnything, runsOnce } from '../fakes/stand-in-model/script.ts';
import { type StandInForge, startForge } from '../gateway/egress/stand-in-forge.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { hostGateway } from './compose-project.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';

const engine = inject('engine');
const SECRET = 'ghp-very-secret-4711';
const LS = 'ls -A -I .agents -I .aws -I .codex';

/** Has an agent run a command; answers the result, and what the command printed. */
async function work(server: TestServer, tool: string, args: object, command = LS) {
  server.model.setScript(runsOnce(command));
  await using client = await connect(server);
  const result = await call(client, tool, { task: 'x', agent_id: 'a', ...args });
  return { result, seen: server.model.requests.at(-1)?.seen.toolOutputs.join() ?? '' };
}

describe.each(CHEAPEST)('files as a source in the $runtime runtime', ({ runtime }) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ runtime, script: answerAnything });
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  test('any working tool takes files, applies them once and leaves a filled workspace alone', async () => {
    const files = [
      { path: 'src/a.txt', content: 'hello' },
      { path: 'run.sh', content: '#!/bin/sh\necho ran', executable: true },
      { path: 'b.bin', content: Buffer.from([0, 255]).toString('base64'), encoding: 'base64' },
    ];
    const source = { files };
    const first = await work(server, 'plan', { source }, './run.sh; cat src/a.txt; wc -c b.bin');
    expect(first.seen).toContain('ran\nhello2 b.bin');
    expect(first.result.undone_changes).toEqual([]);
    await work(server, 'implement', { source }, 'echo mine > src/a.txt');
    expect((await work(server, 'plan', { source }, 'cat src/a.txt')).seen).toContain('mine');
    const other = { files: [{ path: 'only.txt', content: 'o' }] };
    const asked = server.model.requests.length;
    await expect(work(server, 'plan', { source: other })).rejects.toThrow('workspace_not_empty');
    expect(server.model.requests.length).toBe(asked);
    const replaced = await work(server, 'implement', { source: { ...other, replace: true } });
    expect(replaced.seen).toMatch(/\.git\nonly\.txt\n/);
    expect(replaced.result.changes).toEqual([]);
  });

  test('what cannot be a source is refused in words before anything begins', async () => {
    const refusal = (source: object) =>
      work(server, 'plan', { agent_id: 'fresh', source }).then(
        () => '',
        (error: Error) => error.message,
      );
    const file = (path: string) => ({ files: [{ path, content: '' }] });
    expect(await refusal({})).toContain('give one of git, files and path');
    expect(await refusal(file('../x'))).toMatch(/invalid_input.*source.files.0.path: .*"\.\."/);
    expect(await refusal(file('.git/hooks/x'))).toContain('is in .git');
    expect(await refusal({ git: { url: 'https://me:pw@h.org/x' } })).toContain(
      'codex-hangar credentials set git:HOST',
    );
    expect(await refusal({ git: { url: 'ssh://h.org/x' } })).toContain('only https://');
    expect(await refusal({ git: { url: 'file:///etc' } })).toContain('only https://');
    expect(await refusal({ git: { url: 'https://h.org/x', ref: '--upload-pack=x' } })).toContain(
      'source.git.ref',
    );
    expect(await refusal({ files: [{ path: 'x', content: '?', encoding: 'base64' }] })).toContain(
      'it is not base64',
    );
    const twice = { files: [...file('x').files, ...file('x').files] };
    expect(await refusal(twice)).toContain('archive_invalid');
    const large = { files: [{ path: 'x', content: 'x'.repeat(1024 * 1024) }] };
    expect(await refusal(large)).toContain('prompt_too_large');
    expect(await refusal({ git: { url: 'https://h.org/x' } })).toMatch(
      /source_denied.*h\.org:443 is not on the allow-list/,
    );
  });

  test('candidates begin with the files of the source, and so does a fork', async () => {
    const source = { files: [{ path: 'x.txt', content: 'x' }] };
    const { result } = await work(server, 'implement', { agent_id: 'many', source, candidates: 2 });
    const [{ agent_id: candidate }] = result.candidates;
    expect(result.candidates).toMatchObject([{ changes: [] }, { changes: [] }]);
    expect((await work(server, 'plan', { agent_id: candidate, source })).seen).toContain('x.txt');
  });

  test('an agent is begun over HTTP, and waits with its files', async () => {
    const begin = (body: object) =>
      fetch(`${server.url}/api/v1/agents`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const source = { files: [{ path: 'x.txt', content: 'x' }] };
    const made = await begin({ agent_id: 'begun', source });
    expect(made.status).toBe(201);
    expect(await made.json()).toMatchObject({ agent_id: 'begun', filled: true, status: 'idle' });
    const again = await begin({ agent_id: 'begun', source });
    expect(again.status).toBe(200);
    expect(await again.json()).toMatchObject({ filled: false });
    const files = await fetch(`${server.url}/api/v1/agents/begun/files?path=x.txt`);
    expect(await files.text()).toContain('x.txt');
    expect((await begin({ agent_id: '../x' })).status).toBe(400);
    const named = (await (await begin({})).json()) as { agent_id: string };
    expect(named.agent_id).toMatch(/^agent-/);
  });
});

describe.runIf(engine.available)('repositories', () => {
  let here = '';
  beforeAll(async () => {
    here = await hostGateway(new Docker());
  });

  describe.each(CHEAPEST)('as a source in the $runtime runtime', ({ runtime }) => {
    let server: TestServer;
    let forge: StandInForge;

    beforeAll(async () => {
      forge = await startForge({ host: here });
      server = await startTestServer({
        runtime,
        script: answerAnything,
        environment: {
          TRANSFER_MAX_BYTES: '16m',
          TRANSFER_MAX_ENTRIES: '500',
          EGRESS_ALLOW_PRIVATE: `${here}/32`,
          EGRESS_ALLOW: `http://${here}:${forge.port}`,
        },
      });
    });
    afterAll(async () => {
      await server?.[Symbol.asyncDispose]();
      await forge?.[Symbol.asyncDispose]();
    });

    const at = (repository: string) => `http://${here}:${forge.port}/${repository}`;
    /** Has an agent cloned what it cannot have; answers the words. */
    const refusedClone = (url: string, more: object = {}) =>
      work(server, 'plan', { agent_id: 'empty', source: { git: { url, ...more } } }).then(
        () => '',
        (error: Error) => error.message,
      );
    const expectEmpty = async () => {
      expect((await work(server, 'plan', { agent_id: 'empty' })).seen).toMatch(/Output:\n\.git\n$/);
    };

    test('a branch, a commit and a part of the history are cloned, and a renamed repository', async () => {
      const look = 'git branch --show-current; git rev-parse HEAD; git log --oneline | wc -l; ls';
      const cloned = async (more: object) => {
        const source = { replace: true, git: { url: at('team/app.git'), ...more } };
        return (await work(server, 'plan', { source }, look)).seen;
      };
      expect(await cloned({ ref: 'side' })).toMatch(/side\n[0-9a-f]{40}\n1\nfirst.txt\n/);
      const renamed = await cloned({ url: at('old.git'), depth: 1 });
      expect(renamed).toMatch(/main\n[0-9a-f]{40}\n1\nfirst.txt\nsecond/);
      expect(await cloned({ ref: forge.head })).toContain(`${forge.head}\n2\n`);
      await using client = await connect(server);
      const { connections } = await call(client, 'list_egress', { agent_id: 'a' });
      expect(connections).toContainEqual(
        expect.objectContaining({
          method: 'POST',
          host: here,
          port: forge.port,
          verdict: 'allowed',
        }),
      );
    });

    test('submodules are fetched where that is asked for, and what is not there is told', async () => {
      const look =
        'git submodule status --recursive; cat lib/near/second.txt inner/deep/first.txt; git -C far remote get-url origin; git status --short; grep -r /git/ .git inner/.git | head';
      const cloned = async (submodules: boolean) => {
        const source = { replace: true, git: { url: at('team/whole.git'), submodules } };
        const { result, seen } = await work(server, 'plan', { source }, look);
        return { notes: result.notes, seen };
      };
      const bare = await cloned(false);
      expect(bare.notes).toEqual([
        'These submodules were not fetched (pass submodules: true): "ssh", "far", "inner", "lib/near".',
        'The clone has only the Git LFS pointers of these files: "big.bin".',
      ]);
      const whole = await cloned(true);
      expect(whole.notes).toEqual([
        'These submodules were not fetched (only https is supported): "ssh".',
        'The clone has only the Git LFS pointers of these files: "big.bin", "inner/big.bin".',
      ]);
      expect(whole.seen).toMatch(/ [0-9a-f]{40} inner\/deep \(.*\)\n/);
      expect(whole.seen).toContain(`second\nfirst\n${at('team/app.git')}\n`);
      expect(whole.seen).not.toMatch(/8211|\?\?| M /);
    });

    test('what cannot be cloned is told before Codex is asked, and leaves the workspace empty', async () => {
      const asked = server.model.requests.length;
      expect(await refusedClone('https://github.com/x/y')).toMatch(
        /source_denied.*github.com:443/s,
      );
      expect(await refusedClone(`http://127.0.0.1:${forge.port}/x`)).toContain('source_denied');
      expect(await refusedClone(at('team/none.git'))).toMatch(/source_unauthorized.*404/s);
      expect(await refusedClone(at('away.git'))).toMatch(/source_failed.*another host/s);
      const unknown = await refusedClone(at('team/app.git'), { ref: 'nope' });
      expect(unknown).toMatch(/source_failed.*nope/s);
      // A submodule goes by the same rules, and fails the whole.
      const within = await refusedClone(at('far.git'), { submodules: true });
      expect(within).toMatch(/source_denied.*127\.0\.0\.1/s);
      expect(server.model.requests.length).toBe(asked);
      await expectEmpty();
    });

    test.each([
      ['bytes', 'head -c 1M /dev/urandom > 0; for i in $(seq 40); do cp 0 $i; done'],
      ['entries', 'mkdir d; cd d; for i in $(seq 600); do : > $i; done'],
    ])('a clone that grows beyond what may come in is none: %s', async (what, content) => {
      forge.add(`team/${what}.git`, content);
      expect(await refusedClone(at(`team/${what}.git`))).toMatch(
        /upload_too_large.*more than 16777216 bytes, or more/s,
      );
      await expectEmpty();
    });

    test('a clone that nobody waits for any more ends', async () => {
      const source = { git: { url: at('slow.git') } };
      const late = work(server, 'plan', { agent_id: 'empty', source, timeout_seconds: 1 });
      await expect(late).rejects.toThrow(/turn_timeout/);
      await expectEmpty();
    });
  });

  test('a private repository is cloned, and its credential is nowhere in the container', async () => {
    const authorities = tls.getCACertificates('default');
    onTestFinished(() => tls.setDefaultCACertificates(authorities));
    const login = `robot:${SECRET}`;
    await using forge = await startForge({ host: here, secure: true, login });
    tls.setDefaultCACertificates([...authorities, forge.certificate]);
    await using server = await startTestServer({
      runtime: 'docker',
      script: answerAnything,
      environment: {
        CREDENTIALS_KEY: 'k'.repeat(32),
        EGRESS_ALLOW_PRIVATE: `${here}/32`,
        EGRESS_ALLOW: `https://${here}:${forge.port}`,
      },
    });
    await using client = await connect(server);
    const url = `https://${here}:${forge.port}/team/app.git`;
    const cloned = async (command: string) =>
      (await work(server, 'implement', { source: { git: { url } } }, command)).seen;
    await expect(cloned('true')).rejects.toThrow(/source_unauthorized.*answers 401/s);
    await new GitCredentials(server.config).set({ host: `${here}:${forge.port}` }, login);
    const seen = await cloned(
      'cat second.txt; git branch --show-current; git remote get-url origin; git log --oneline | wc -l; git status --short',
    );
    expect(seen).toContain(`second\nmain\n${url}\n2\n`);
    expect(forge.requests.at(-1)?.authorization).toContain('Basic ');
    const { sessions } = await call(client, 'list_sessions', { agent_id: 'a' });
    const [{ container_id: container }] = sessions;
    // The words are put together in there, so that no command line holds them.
    const holding = (...words: string[]) =>
      execFileSync('docker', [
        ...['exec', container, 'sh', '-c'],
        'printf "%s" "$1$2" > /tmp/.word; grep -rlaF -f /tmp/.word --exclude=.word /workspace /home/agent /tmp /proc/[0-9]*/environ 2>/dev/null; true',
        ...['sh', ...words],
      ]).toString();
    const basic = Buffer.from(login).toString('base64');
    expect(holding('sec', 'ond')).toContain('/workspace/second.txt');
    expect(holding(SECRET.slice(0, 8), SECRET.slice(8))).toBe('');
    expect(holding(basic.slice(0, 8), basic.slice(8))).toBe('');
    expect(holding('8211', '/git/')).not.toContain('/workspace');
    const asked = forge.requests.length;
    await cloned('true');
    expect(forge.requests.length).toBe(asked);
  });
});
