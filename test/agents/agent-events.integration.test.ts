import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { type AgentEvent, AgentEvents } from '../../src/agents/agent-events.ts';
import { CHEAPEST } from '../setup/runtimes.ts';
import { AgentsRig } from './agents-rig.ts';

test('one who fails to listen keeps nobody else from hearing', () => {
  const events = new AgentEvents(pino({ level: 'silent' }));
  const heard: AgentEvent[] = [];
  events.listen(() => {
    throw new Error('deaf');
  });
  const stop = events.listen((event) => heard.push(event));
  const event = { type: 'agent_woken', agentId: 'a', from: 'new' } as const;
  events.emit(event);
  stop();
  events.emit(event);
  expect(heard).toEqual([event]);
});

test('every way down and back is told, once', async () => {
  await using rig = await AgentsRig.start('process');
  const heard = listen(rig);
  await Promise.all([rig.use('a'), rig.use('a')]);
  for (const step of ['pause', 'stop', 'archive'] as const) {
    await rig.agents.transition(step, 'a');
    await Promise.all([rig.use('a'), rig.use('a')]);
  }
  await rig.agents.withAgent('a', () => rig.agents.halt('a'));
  await rig.use('a');
  await rig.agents.transition('remove', 'a', 'cleanup');
  expect(heard).toEqual([
    'agent_woken from new',
    'agent_taken pause idle',
    'agent_woken from paused',
    'agent_taken stop idle',
    'agent_woken from stopped',
    'agent_taken archive idle',
    'agent_woken from archived',
    'agent_taken stop halt',
    'agent_woken from stopped',
    'agent_expiring remove cleanup in 0',
    'agent_taken remove cleanup',
  ]);
});

test('one that makes room for another is told of before', async () => {
  await using rig = await AgentsRig.start('process', { MAX_CONCURRENT_SESSIONS: '1' });
  await rig.use('a');
  const heard = listen(rig);
  await rig.use('b');
  expect(heard).toEqual([
    'agent_expiring stop eviction in 0',
    'agent_taken stop eviction',
    'agent_woken from new',
  ]);
});

describe.each(CHEAPEST)('in the $runtime runtime', ({ runtime: kind }) => {
  test('a container that ends by itself is told of, once', async () => {
    await using rig = await AgentsRig.start(kind);
    await rig.use('a');
    const connected = listen(rig);
    await rig.runtime.stop('a', { graceSeconds: 0 });
    await expect
      .poll(() => rig.agents.reconcile().then(() => connected), { interval: 200 })
      .toEqual(['agent_failed container_lost']);
    await rig.use('a');
    await rig.restart();
    const adopted = listen(rig);
    await rig.use('a');
    expect(adopted).toEqual([]);
    await rig.restart();
    const unconnected = listen(rig);
    await rig.runtime.stop('a', { graceSeconds: 0 });
    await rig.agents.reconcile();
    expect(unconnected).toEqual(['agent_failed container_lost']);
    expect(connected).toEqual(['agent_failed container_lost', 'agent_woken from stopped']);
  });
});

function listen({ agents }: AgentsRig): string[] {
  const heard: string[] = [];
  agents.events.listen((event) => heard.push(describeEvent(event)));
  return heard;
}

function describeEvent(event: AgentEvent): string {
  switch (event.type) {
    case 'agent_expiring':
      return `${event.type} ${event.transition} ${event.reason} in ${event.inSeconds}`;
    case 'agent_taken':
      return `${event.type} ${event.transition} ${event.reason}`;
    case 'agent_woken':
      return `${event.type} from ${event.from}`;
    case 'agent_failed':
      return `${event.type} ${event.code}`;
    case 'egress_denied':
      return `${event.type} ${event.host}`;
    default:
      return event satisfies never;
  }
}
