import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RuntimeKind } from '../../src/runtime/container-runtime.ts';
import { ACCOUNT_ID, StandInAuthority } from '../fakes/stand-in-authority.ts';
import { answerAnything, runsOnce } from '../fakes/stand-in-model/script.ts';
import { type StandInModel, startStandInModel } from '../fakes/stand-in-model/stand-in-model.ts';
import { RUNTIMES } from '../setup/runtimes.ts';
import { type Connection, call, connect, startTestServer, type TestServer } from './test-server.ts';

describe.each(RUNTIMES)('with a ChatGPT login, in the $runtime runtime', ({ runtime }) => {
  let world: World;
  let client: Connection;
  beforeAll(async () => {
    world = await World.start(runtime);
  });
  afterAll(() => world?.[Symbol.asyncDispose]());
  afterEach(() => client[Symbol.asyncDispose]());

  /** A server that knows no other login than this. */
  const logIn = async (lifetimeSeconds: number) => {
    world.writeLogin(lifetimeSeconds);
    await world.server.restart();
    client = await connect(world.server);
  };
  const plan = () => call(client, 'plan', { task: 'x', agent_id: 'a' });

  test('a turn goes on while its access token expires', async () => {
    await logIn(3);
    world.backend.setScript(runsOnce('sleep 4'));
    const before = world.backend.requests.length;
    const { usage, ...answer } = await plan();
    expect(answer).toMatchObject({ agent_id: 'a', estimated_complexity: 'low' });
    // A plan is not billed by the token.
    expect(usage.total_tokens).toBeGreaterThan(0);
    expect(answer).not.toHaveProperty('cost_usd');
    const sent = world.backend.requests.slice(before).map(({ headers }) => headers);
    const tokens = new Set(sent.map(({ authorization }) => authorization));
    expect(tokens.size).toBeGreaterThan(1);
    for (const headers of sent) expect(headers['chatgpt-account-id']).toBe(ACCOUNT_ID);
    expect(world.authority.refreshes).toBeGreaterThanOrEqual(tokens.size - 1);
    expect(world.authority.refusals).toEqual([]);
    expect(await call(client, 'health_check')).toMatchObject({
      credentials: { method: 'oauth', origin: 'auth.json', ready: true },
    });
  });

  test('a revoked login ends turns with its error, until it is replaced', async () => {
    await logIn(3600);
    world.backend.setScript(runsOnce('true'));
    await plan();
    world.authority.withdraw(world.savedTokens()[0] ?? '');
    world.authority.revokeAll();
    // While it works, and then before it begins.
    await expect(plan()).rejects.toMatchObject({ code: 'login_revoked' });
    await expect(plan()).rejects.toMatchObject({ code: 'login_revoked' });
    const health = await fetch(`${world.server.url}/health`);
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ credentials: { method: 'oauth', ready: false } });
    world.writeLogin(3600);
    await plan();
  });

  test.runIf(runtime === 'docker')('no token of the login is in a container', async () => {
    await logIn(3600);
    world.backend.setScript(runsOnce('env > env.txt'));
    await call(client, 'implement', { task: 'x', agent_id: 'a' });
    const { sessions } = await call(client, 'list_sessions');
    const search = 'grep -rlsaF -e "$0$1" /workspace /home /tmp /etc /proc/[0-9]*/environ || true';
    const found = (secret: string) =>
      execFileSync('docker', [
        ...['exec', '--user', '1000', sessions[0].container_id, 'sh', '-c', search],
        ...[secret.slice(0, 8), secret.slice(8)],
      ]).toString();
    expect(found('CODEX_GATEWAY_TOKEN=')).not.toBe('');
    for (const secret of [...world.savedTokens(), ACCOUNT_ID]) expect(found(secret)).toBe('');
  });
});

/** A server whose one credential is a ChatGPT login. */
class World {
  readonly authority: StandInAuthority;
  readonly backend: StandInModel;
  readonly server: TestServer;
  readonly #file: string;

  private constructor(
    parts: { authority: StandInAuthority; backend: StandInModel; server: TestServer },
    file: string,
  ) {
    this.authority = parts.authority;
    this.backend = parts.backend;
    this.server = parts.server;
    this.#file = file;
  }

  static async start(runtime: RuntimeKind): Promise<World> {
    const authority = await StandInAuthority.start();
    const script = answerAnything;
    const backend = await startStandInModel({ script, admits: (sent) => authority.admits(sent) });
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'chatgpt-login-'));
    const file = path.join(directory, 'auth.json');
    const server = await startTestServer({
      runtime,
      script,
      environment: {
        ...{ OPENAI_API_KEY: '', OPENAI_BASE_URL: '' },
        OAUTH_TOKEN_STORAGE_PATH: file,
        OAUTH_ISSUER: authority.url,
        CHATGPT_BASE_URL: backend.url,
      },
    });
    return new World({ authority, backend, server }, file);
  }

  /** Its access tokens, and those that come of them, last so long. */
  writeLogin(lifetimeSeconds: number): void {
    this.authority.lifetimeSeconds = lifetimeSeconds;
    const tokens = this.authority.issue();
    fs.writeFileSync(this.#file, JSON.stringify({ auth_mode: 'chatgpt', tokens }), { mode: 0o600 });
  }

  /** Access, refresh and ID token. */
  savedTokens(): string[] {
    const { tokens } = JSON.parse(fs.readFileSync(this.#file, 'utf8'));
    return [tokens.access_token, tokens.refresh_token, tokens.id_token];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    await this.backend.close();
    await this.authority[Symbol.asyncDispose]();
    fs.rmSync(path.dirname(this.#file), { recursive: true });
  }
}
