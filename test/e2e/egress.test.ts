import { LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import Docker from 'dockerode';
import { expect, inject, test } from 'vitest';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import { json, shell } from '../fakes/stand-in-model/step.ts';
import { startRegistry } from '../gateway/egress/stand-in-registry.ts';
import { readEvents } from '../transports/rest/event-reader.ts';
import { hostGateway } from './compose-project.ts';
import { call, connect, startTestServer } from './test-server.ts';

const engine = inject('engine');

test.runIf(engine.available)(
  'commands of an agent reach what is allowed, by every usual way, and nothing else',
  async () => {
    // Private, and none that an agent could reach by itself.
    const here = await hostGateway(new Docker());
    await using site = await startRegistry(here);
    let command = '';
    await using target = await startTestServer({
      runtime: 'docker',
      script: ({ toolOutputs, schema }) =>
        toolOutputs.length === 0 ? shell(command) : json(fillSchema(schema)),
      environment: { EGRESS_ALLOW_PRIVATE: `${here}/32` },
    });
    await using client = await connect(target);
    const notices: unknown[] = [];
    client.client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
      notices.push(params);
    });
    const run = async (script: string) => {
      command = script;
      await call(client, 'implement', { task: 'x', agent_id: 'a' });
      return target.model.requests.at(-1)?.seen.toolOutputs.join() ?? '';
    };
    const url = `http://${here}:${site.port}/tiny`;
    await run('true');
    await using reader = await readEvents(`${target.url}/api/v1/agents/a/events`);

    const denied = await run(`curl -sS -m 10 -w ' %{http_code}' ${url};
      curl -sS -m 10 -p ${url}; curl -sS -m 10 --noproxy '*' ${url}`);
    expect(denied).toContain(
      `network access is denied by the gateway: ${here}:${site.port} is not`,
    );
    expect(denied).toContain(' 403');
    expect(denied).toContain('CONNECT tunnel failed, response 403');
    expect(denied).toMatch(/curl: \(7\)/);
    expect(site.requests).toEqual([]);
    await expect
      .poll(() => reader.events.filter(({ event }) => event === 'egress_denied'))
      .toMatchObject([{ data: { agent_id: 'a', host: here, port: site.port, method: 'GET' } }]);
    const told = reader.events.find(({ event }) => event === 'egress_denied');
    expect(told?.data.how_to_allow).toContain('allow_egress');
    const message = expect.stringContaining('Agent "a" was denied the network');
    expect(notices).toEqual([
      expect.objectContaining({ level: 'warning', data: expect.objectContaining({ message }) }),
    ]);

    const where = { agent_id: 'a', host: here, port: site.port };
    const allowed = await call(client, 'allow_egress', { ...where, duration: 'once' });
    expect(allowed).toMatchObject({ rule: `${here}:${site.port}`, decided_by: 'local' });
    const reached = await run(`curl -sS -m 10 ${url}; curl -sS -m 10 -p ${url}; echo;
      node -e 'fetch("${url}").then((r) => console.log("fetch", r.status))' 2>&1;
      npm install --no-audit --no-fund --registry ${new URL('/', url)} tiny 2>&1;
      node -p 'require("tiny")'`);
    expect(reached.match(/"dist-tags"/g)).toHaveLength(2);
    expect(reached).toContain('fetch 200');
    expect(reached).not.toContain('Warning');
    expect(reached).toContain('tiny works');
    expect(site.requests).toContain('GET /tiny/-/tiny-1.0.0.tgz');

    await call(client, 'deny_egress', where);
    expect(await run(`curl -sS -m 10 ${url}`)).toContain('is denied by a rule of this agent');
    const listed = await call(client, 'list_egress', { agent_id: 'a' });
    expect(listed.rules).toMatchObject([{ rule: `${here}:${site.port}`, effect: 'deny' }]);
    expect(listed.connections[0]).toMatchObject({ verdict: 'denied', reason: 'taken_back' });
    expect(listed.connections).toContainEqual(
      expect.objectContaining({ method: 'CONNECT', verdict: 'allowed', address: here }),
    );
  },
);

test('tools for the network say what is wrong with what they are asked', async () => {
  await using target = await startTestServer({
    runtime: 'process',
    script: ({ schema }) => json(fillSchema(schema)),
    environment: { EGRESS_ALLOW: 'npm, *.example.org' },
  });
  await using client = await connect(target);
  const allow = (more: object) => call(client, 'allow_egress', { agent_id: 'a', ...more });
  await expect(allow({ host: 'example.com' })).rejects.toThrow('agent_not_found');
  await call(client, 'configure_agent', { agent_id: 'a' });
  await expect(allow({ host: 'exa*mple.com' })).rejects.toThrow('The rule "exa*mple.com" can\'t');
  await expect(allow({ host: 'example.com', port: 0 })).rejects.toThrow('invalid_input');
  await allow({ host: 'Example.com', duration: 'always' });
  await allow({ host: '::ffff:1.2.3.4', port: 443 });
  await target.restart();
  await using again = await connect(target);
  const listed = await call(again, 'list_egress', { agent_id: 'a' });
  expect(listed).toMatchObject({ rules_for_all: ['npm', '*.example.org'], connections: [] });
  expect(listed.rules).toMatchObject([
    { rule: 'example.com', effect: 'allow', expires_at: null },
    { rule: '[::ffff:102:304]:443', expires_at: expect.any(String) },
  ]);
  const forgotten = { agent_id: 'a', host: 'example.com', forget: true };
  expect((await call(again, 'deny_egress', forgotten)).rules).toHaveLength(1);
});
