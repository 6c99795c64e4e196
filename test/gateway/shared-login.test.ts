import type { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { ModelGateway } from '../../src/gateway/model-gateway.ts';
import { openTunnel } from '../../src/gateway/tunnel.ts';
import { ACCOUNT_ID } from '../fakes/stand-in-authority.ts';
import { freePorts } from '../machine/free-port.ts';
import { CredentialsRig } from './credentials/rig.ts';
import { AGENTS, askOverTwoExpiries, REQUESTS_OF_EACH } from './credentials/two-expiries.ts';
import { openEgress } from './egress/egress-rig.ts';
import { ask, log, sha256, startTunnelProgram } from './rig.ts';

const tokenOf = (agent: number) => `token-of-agent-${agent}-of-all`;

test('agents with a tunnel each share one login over two expiries', async () => {
  await using credentials = await CredentialsRig.start();
  using out = openEgress();
  const gateway = new ModelGateway({
    upstream: credentials.upstream(),
    maxRetries: 0,
    maxRetryWaitSeconds: 1,
    egress: out.egress.proxy,
    log,
  });
  const ports = await freePorts(AGENTS);
  const agents = await Promise.all(ports.map((port, agent) => openAgent(gateway, agent, port)));

  const replies = await askOverTwoExpiries(credentials, (agent) =>
    ask(ports[agent] ?? 0, { token: tokenOf(agent) }),
  );
  expect(replies.map(({ status }) => status)).toEqual(Array(AGENTS * REQUESTS_OF_EACH).fill(200));
  for (const { body } of replies) expect(body).toContain('response.completed');
  const { authority, backend } = credentials;
  expect(authority.refreshes).toBe(2);
  expect(authority.refusals).toEqual([]);
  const sent = new Set(backend.requests.map(({ headers }) => headers.authorization));
  // Of the login that was there, and of two that came after it; of no agent.
  expect(sent.size).toBe(3);
  expect([...sent].join()).not.toContain('token-of-agent');
  expect(backend.requests.every(isOfTheAccount)).toBe(true);
  const stranger = await ask(ports[0] ?? 0, { token: tokenOf(1) });
  expect(stranger.status).toBe(401);

  for (const close of agents) await close();
  gateway.close();
});

/** The program of a container, and the gateway at the other end of it. */
async function openAgent(gateway: ModelGateway, agent: number, port: number) {
  const id = `agent-${agent}`;
  gateway.register(id, sha256(tokenOf(agent)));
  const program = startTunnelProgram(port);
  const onConnection = (socket: Duplex) => gateway.attach(id, socket);
  const tunnel = await openTunnel({ process: program, onConnection, log });
  return () => {
    tunnel.close();
    return program.exited;
  };
}

function isOfTheAccount({ headers }: CredentialsRig['backend']['requests'][number]): boolean {
  return headers['chatgpt-account-id'] === ACCOUNT_ID;
}
