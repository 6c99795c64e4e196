import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { AuthFile } from '../../../src/gateway/credentials/auth-file.ts';
import { LoginBroker } from '../../../src/gateway/credentials/login-broker.ts';
import { LoginUpstream } from '../../../src/gateway/credentials/login-upstream.ts';
import { TokenEndpoint } from '../../../src/gateway/credentials/token-endpoint.ts';
import { UpstreamClient, type UpstreamOutcome } from '../../../src/gateway/upstream-client.ts';
import { StandInAuthority, type StandInTokens } from '../../fakes/stand-in-authority.ts';
import { answerAnything } from '../../fakes/stand-in-model/script.ts';
import { type StandInModel, startStandInModel } from '../../fakes/stand-in-model/stand-in-model.ts';

const HOUR_MS = 3_600_000;

/** A clock that only moves when it is told to. */
export class HandClock {
  ms = Date.now();
  readonly now = () => this.ms;

  passHour(): void {
    this.ms += HOUR_MS;
  }
}

/** An authorization server, a ChatGPT backend that checks its tokens, and an auth.json. */
export class CredentialsRig {
  readonly clock = new HandClock();
  readonly directory = fs.mkdtempSync(path.join(os.tmpdir(), 'credentials-'));
  readonly file = path.join(this.directory, 'auth.json');
  readonly authority: StandInAuthority;
  readonly backend: StandInModel;
  readonly #lines: string[] = [];
  readonly log = pino({ level: 'trace' }, { write: (line) => this.#lines.push(line) });

  constructor(authority: StandInAuthority, backend: StandInModel, clock: HandClock) {
    this.authority = authority;
    this.backend = backend;
    this.clock = clock;
  }

  static async start(): Promise<CredentialsRig> {
    const clock = new HandClock();
    const authority = await StandInAuthority.start(clock.now);
    const backend = await startStandInModel({
      script: answerAnything,
      admits: (headers) => authority.admits(headers),
    });
    const rig = new CredentialsRig(authority, backend, clock);
    rig.writeLogin(authority.issue());
    return rig;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend.close();
    await this.authority[Symbol.asyncDispose]();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }

  broker(): LoginBroker {
    const config = { OAUTH_ISSUER: this.authority.url, OAUTH_CLIENT_ID: 'codex-cli' };
    return new LoginBroker({
      file: new AuthFile(this.file),
      endpoint: new TokenEndpoint(config),
      log: this.log,
      now: this.clock.now,
    });
  }

  /** What the gateway sends requests with. */
  client(broker = this.broker()): UpstreamClient {
    return new UpstreamClient(this.upstream(broker));
  }

  upstream(broker = this.broker()): LoginUpstream {
    return new LoginUpstream(broker, this.backend.url);
  }

  /** Writes as the Codex CLI does: into the file, without a lock. */
  writeLogin(tokens: StandInTokens): void {
    const content = { auth_mode: 'chatgpt', OPENAI_API_KEY: null, tokens, of_the_cli: { kept: 1 } };
    fs.writeFileSync(this.file, JSON.stringify(content), { mode: 0o600 });
  }

  read(): { tokens: StandInTokens; last_refresh: string; of_the_cli: unknown } {
    return JSON.parse(fs.readFileSync(this.file, 'utf8'));
  }

  /** Everything that was logged. */
  logged(): string {
    return this.#lines.join('');
  }
}

/** Sends one request as an agent would, and reads its answer. */
export async function ask(client: UpstreamClient): Promise<UpstreamOutcome> {
  const outcome = await client.send({
    method: 'POST',
    path: '/responses',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from('{"input":[]}'),
    signal: AbortSignal.timeout(20_000),
  });
  if (outcome.kind === 'answered') for await (const _ of outcome.answer);
  return outcome;
}
