import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { call } from '../test-server.ts';
import { isGvisor, PATIENCE } from './gvisor.ts';
import { type Rig, VICTIM } from './rig.ts';

const AGENT = 'greedy';
/** Plans of the victim, of which the median counts. */
const SAMPLES = 3;
/** A busy machine is slow at times: the best of so many measurements counts. */
const MEASUREMENTS = 3;
const FACTOR = 2;
/** What a plan may take longer on a machine of two cores that has one more to serve. */
const SLACK_MS = 300;
const ATTACK_SECONDS = 5;
const LONG = { timeout: 120_000, ...PATIENCE };

/** What takes all it can get of something. None of it is killed by whoever began it. */
export const PRESSURE: Record<string, string> = {
  'a fork bomb': `python3 -c '
import os, time
end = time.time() + ${ATTACK_SECONDS}
while time.time() < end:
    try: os.fork()
    except OSError: time.sleep(0.1)'`,
  'a memory bomb': `python3 -c 'x = []
while True: x.append(bytearray(10**7))'; head -c 400M /dev/zero > /tmp/fill; sleep 2; find /tmp/fill -delete`,
  'busy loops': `for i in 1 2 3 4 5 6 7 8; do timeout ${ATTACK_SECONDS} sh -c 'while :; do :; done' & done; wait`,
  'open files without end': `python3 -c '
import time
x = []
try:
    while True: x.append(open("/dev/null"))
except OSError as error: print(error, len(x))
time.sleep(3)'`,
  'small files without end': `mkdir -p many; echo many > .gitignore; timeout ${ATTACK_SECONDS} python3 -c '
for i in range(60000): open("many/%d" % i, "w").close()'`,
  'output without end': `timeout ${ATTACK_SECONDS} yes 'a line that says nothing'`,
  'a log without end': `timeout ${ATTACK_SECONDS} yes 'a line that says nothing' > /proc/1/fd/1`,
};

/** What one agent takes of the machine, and what is left for another. */
export function testsOfPressure(rig: () => Rig): void {
  describe('leaves another agent its pace, and works again itself, after', () => {
    test.each(Object.entries(PRESSURE))('%s', LONG, async (_name, command) => {
      await rig().run(AGENT, 'true');
      const alone = await pace(rig());
      const paces: number[] = [];
      while (paces.length < MEASUREMENTS && !(Math.min(...paces) <= FACTOR * alone + SLACK_MS)) {
        const attack = rig()
          .run(AGENT, command)
          .catch(({ code }) => code);
        await sleep(500);
        paces.push(await pace(rig()));
        // It completes, or ends with a code of the table.
        expect(await attack).toEqual(
          typeof (await attack) === 'string' ? expect.stringMatching(/^\w+$/) : expect.anything(),
        );
      }
      expect(Math.min(...paces)).toBeLessThanOrEqual(FACTOR * alone + SLACK_MS);
      expect(await rig().sh(AGENT, 'echo still $((40 + 2))')).toContain('still 42');
    });
  });

  test('has no more turns after a fork bomb without end, until it is stopped', async () => {
    const bomb = `setsid -f python3 -c '
import os, time
while True:
    try: os.fork()
    except OSError: time.sleep(0.5)' >/dev/null 2>&1; sleep 1`;
    const again = (command: string) =>
      rig()
        .run('bomber', command, { timeoutSeconds: 20 })
        .catch(({ code }) => code);
    await again(bomb);
    // gVisor ends as a whole where it gets no more processes, and the next call starts it anew.
    if (!isGvisor) expect(await again('true')).toBe('workspace_failed');
    expect(await rig().sh(VICTIM, 'echo still $((40 + 2))')).toContain('still 42');
    await call(rig().client, 'cleanup_inactive_agents', { older_than_seconds: 0 });
    expect(await rig().sh('bomber', 'echo still $((40 + 2))')).toContain('still 42');
  });

  test('is refused more turns that write when it fills the disk, and told why', async () => {
    const fill =
      'echo "*.bin" > .gitignore; for i in 1 2; do head -c 200M /dev/zero > $i.bin; done';
    await rig().run('filler', fill);
    const again = () => rig().run('filler', 'true');
    await expect.poll(() => again().catch(({ code }) => code)).toBe('workspace_full');
    expect(await rig().sh(VICTIM, 'echo still $((40 + 2))')).toContain('still 42');
    const removed = { remove: true, older_than_seconds: 0 };
    await call(rig().client, 'cleanup_inactive_agents', removed);
  });
}

/** The median time of a plan of the victim, in milliseconds. */
async function pace(rig: Rig): Promise<number> {
  const times: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    const began = performance.now();
    await rig.run(VICTIM, 'true', { tool: 'plan' });
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b)[Math.floor(SAMPLES / 2)] ?? Number.NaN;
}
