import fs from 'node:fs';
import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { call, REAL_KEY } from '../test-server.ts';
import { type Attempt, commandOf } from './attempt.ts';
import { expectDenied } from './denied.ts';
import { FALSE_DIFFS, FALSE_PLANS } from './falsehoods.ts';
import { inGvisor, isGvisor, PATIENCE } from './gvisor.ts';
import { PRESSURE } from './pressure.ts';
import { testsOfRepositories } from './repositories.ts';
import {
  ATTACKER,
  CONFINED,
  environmentOf,
  type Rig,
  startRig,
  VICTIM,
  VICTIM_CANARY,
} from './rig.ts';
import { FORGERIES, testsOfTampering } from './tampering.ts';
import { VSOCK, VSOCK_SINCE_ENGINE, WALLS } from './walls.ts';
import { ALLOWED_IN_VAIN, AT_THE_GATEWAY, SEARCH, THROUGH_THE_PROXY } from './ways-out.ts';

const engine = inject('engine');
const engineVersion = engine.available
  ? Number.parseInt((await new Docker().version()).Version, 10)
  : 0;
/** What the container denies, and not the server. */
const walls = (attempts: readonly Attempt[]) => (isGvisor ? inGvisor(attempts) : attempts);
const TOKEN = `tr '\\0' '\\n' </proc/1/environ | sed -n 's/^CODEX_GATEWAY_TOKEN=//p'`;

describe.runIf(engine.available)('a malicious model', PATIENCE, () => {
  let rig: Rig;
  let env: Record<string, string>;
  const tokenOf = async (agent: string) =>
    /(?<![\w-])[\w-]{43}(?![\w-])/.exec(await rig.sh(agent, TOKEN))?.[0] ?? '';

  beforeAll(async () => {
    rig = await startRig(CONFINED);
    const REVOKED_TOKEN = await tokenOf(ATTACKER);
    await call(rig.client, 'cleanup_inactive_agents', { remove: true, older_than_seconds: 0 });
    await rig.sh(VICTIM, `echo ${VICTIM_CANARY} > secret.txt`);
    const [OWN_TOKEN, VICTIM_TOKEN] = [await tokenOf(ATTACKER), await tokenOf(VICTIM)];
    expect(new Set([REVOKED_TOKEN, OWN_TOKEN, VICTIM_TOKEN, '']).size).toBe(4);
    env = { ...{ OWN_TOKEN, VICTIM_TOKEN, REVOKED_TOKEN }, ...environmentOf(rig) };
  });
  afterAll(() => rig?.close());

  test.each(Object.entries(WALLS))('is kept from: %s', async (_name, attempts) => {
    expectDenied(walls(attempts), await rig.sh(ATTACKER, commandOf(attempts, env)));
  });

  test('is kept from the hypervisor by engines that know of it, and by no older one', async () => {
    const output = await rig.sh(ATTACKER, commandOf([VSOCK]));
    // docs/security.md tells it as a known gap; here it is seen to be one still.
    if (!isGvisor && engineVersion < VSOCK_SINCE_ENGINE) expect(output).not.toMatch(VSOCK.denied);
    else expectDenied([VSOCK], output);
  });

  test('is kept from hosts by the proxy, on record', async () => {
    expect((await fetch(`${rig.server.url}/tools`)).status).toBe(200);
    for (const host of ALLOWED_IN_VAIN) {
      const allowed = { agent_id: ATTACKER, host, duration: 'always' };
      await call(rig.client, 'allow_egress', { ...allowed, port: rig.port });
      await call(rig.client, 'allow_egress', { ...allowed, port: 80 });
    }
    expectDenied(THROUGH_THE_PROXY, await rig.sh(ATTACKER, commandOf(THROUGH_THE_PROXY, env)));
    const about = { agent_id: ATTACKER, limit: 200 };
    const { connections } = await call(rig.client, 'list_egress', about);
    expect(connections.every(({ verdict }: { verdict: string }) => verdict !== 'allowed')).toBe(
      true,
    );
    for (const { name, recorded } of THROUGH_THE_PROXY) {
      if (!recorded) continue;
      const told = expect.objectContaining({ ...recorded, verdict: 'denied' });
      expect.soft(connections, name).toContainEqual(told);
    }
  });

  test('is kept from what is not its own at the gateway', async () => {
    const asked = rig.server.model.requests.length;
    expectDenied(AT_THE_GATEWAY, await rig.sh(ATTACKER, commandOf(AT_THE_GATEWAY, env)));
    // The two of the turn itself, and the one for the models that it may ask for.
    expect(rig.server.model.requests.length - asked).toBeLessThanOrEqual(3);
    for (const { headers } of rig.server.model.requests) {
      expect(headers.authorization).toBe(`Bearer ${REAL_KEY}`);
    }
  });

  test('finds the real key nowhere', async () => {
    const plant = `printf '%s%s' "$HALF_ONE" "$HALF_TWO"`;
    const halves = (secret: string) =>
      `export HALF_ONE='${secret.slice(0, 6)}' HALF_TWO='${secret.slice(6)}'\n`;
    const planted = halves('sk-planted-0f7c');
    expect(await rig.sh(ATTACKER, `${planted}${plant} > /tmp/planted; ${SEARCH}`)).toMatch(
      /Output:\n\/tmp\/planted\n/,
    );
    expect(await rig.sh(ATTACKER, halves(REAL_KEY) + SEARCH)).toMatch(/Output:\n0\nend/);
  });

  testsOfRepositories(() => rig);
  testsOfTampering(() => rig);
});

test('docs/security.md names every attempt', () => {
  const page = fs.readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8');
  const attempts = [...Object.values(WALLS).flat(), VSOCK, ...THROUGH_THE_PROXY, ...AT_THE_GATEWAY];
  const others = [FALSE_PLANS, FALSE_DIFFS, FORGERIES, PRESSURE].flatMap(Object.keys);
  const names = [...Object.keys(WALLS), ...attempts.map(({ name }) => name), ...others];
  const shown = (name: string) => page.includes(name.replace(/^the server as (?=[\d[])/, ''));
  expect(names.filter((name) => !shown(name))).toEqual([]);
});
