import { openDoor } from './door.ts';
import { type Footprint, highestFootprint, type SoakServer } from './soak-server.ts';

const WAYS = ['sse', 'http', 'rest'] as const;
/** Rounds of the reaper, and the warm pool, which is filled after 2 s. */
const ROUNDS_MS = 5_000;

/** Uses everything of a server once, so that what it holds afterwards is what it keeps for good. */
export async function warmUp(server: SoakServer): Promise<Footprint> {
  const url = await server.url();
  for (const way of WAYS) {
    const door = await openDoor(url, way);
    await door.call('plan', { task: 'Warm up.', agent_id: 'first' });
    await door.call('cleanup_inactive_agents', { remove: true, older_than_seconds: 0 });
    await door.close();
  }
  return await highestFootprint(await server.pid(), ROUNDS_MS);
}
