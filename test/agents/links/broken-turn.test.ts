import { expect, test } from 'vitest';
import { ConnectionLost, explainBrokenTurn } from '../../../src/agents/links/broken-turn.ts';
import type { ContainerState, ContainerSummary } from '../../../src/runtime/container-runtime.ts';

test('a container that the engine still takes for running a moment later is lost', async () => {
  const answer = await explain(['running', 'running', 'stopped']);
  expect(answer).toMatchObject({ code: 'container_lost' });
});

test('a connection that broke while the container runs on is the fault of Codex', async () => {
  expect(await explain(['running'])).toMatchObject({ code: 'codex_failed' });
});

test('a container that somebody froze can be joined again', async () => {
  expect(await explain(['paused'])).toBeInstanceOf(ConnectionLost);
});

test('a container that was removed is lost', async () => {
  expect(await explain([])).toMatchObject({ code: 'container_lost' });
});

/** With a container that is in one state after the other; the last stays. */
function explain(states: ContainerState[]) {
  const inspect = async (agentId: string): Promise<ContainerSummary | undefined> => {
    const state = states.length > 1 ? states.shift() : states[0];
    return state && { agentId, id: 'c', state, outOfMemory: false, outdated: false };
  };
  return explainBrokenTurn({ inspect }, 'a', { begun: true, cause: new Error('broken') });
}
