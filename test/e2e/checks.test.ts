import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AuditReader } from '../../src/audit/audit-reader.ts';
import { fillSchema } from '../fakes/stand-in-model/fill-schema.ts';
import type { Script } from '../fakes/stand-in-model/script.ts';
import { json, shell } from '../fakes/stand-in-model/step.ts';
import { RUNTIMES } from '../setup/runtimes.ts';
import { call, connect, startTestServer, type TestServer } from './test-server.ts';
import { untilSaid } from './turn-words.ts';

/** Writes what is wrong, and never the same, until Codex is told what the check said. */
const learns: Script = ({ prompt, toolOutputs, schema }) => {
  if (toolOutputs.length > 0) return json(fillSchema(schema));
  const word = prompt.includes('Your work was checked') ? 'right' : 'wrong';
  return shell(`echo ${word} $(date +%N) > a.txt`);
};

const CHECK = 'echo ran >> ran.log; grep -q right a.txt || { echo "a.txt is wrong" >&2; exit 3; }';

describe.each(RUNTIMES)('a check in the $runtime runtime', ({ runtime }) => {
  // What is the same without one is tried once.
  const inContainer = runtime === 'docker';
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({ runtime, script: learns });
  }, 300_000);
  afterAll(() => server?.[Symbol.asyncDispose]());

  /** All on one agent, whose file it writes. */
  async function implement(args: Record<string, unknown>) {
    await using client = await connect(server);
    const result = await call(client, 'implement', { task: 'x', agent_id: 'a', ...args });
    return { result };
  }

  test('that fails has Codex work again, until it passes', async () => {
    const asked = server.model.requests.length;
    const { result } = await implement({ check_command: CHECK });
    expect(result.check).toMatchObject({
      ...{ command: CHECK, passed: true, exit_code: 0, timed_out: false, output: '' },
      rounds: [
        { passed: false, exit_code: 3 },
        { passed: true, exit_code: 0 },
      ],
      changed_files: ['ran.log'],
    });
    expect(result.changes).toMatchObject([{ file: 'a.txt' }]);
    expect(result.changes[0].diff).toContain('+right');
    expect(result.warnings.join()).not.toContain('check');
    const requests = server.model.requests.slice(asked);
    expect(requests).toHaveLength(4);
    expect(requests[0]?.seen.prompt).toContain(CHECK);
    expect(requests[2]?.seen.prompt).toContain('exit code 3');
    expect(result.usage.model_requests).toBe(4);
  });

  test.runIf(inContainer)('is told of in the events of its turn and in the audit', async () => {
    await using client = await connect(server);
    const { turn_id } = await call(client, 'implement', {
      ...{ task: 'x', agent_id: 'a', check_command: 'echo said; exit 4', max_rounds: 1 },
    });
    const events = await (await fetch(`${server.url}/api/v1/turns/${turn_id}/events`)).text();
    expect(events).toMatch(/event: check_started\ndata: .*"round":1,"rounds":1/);
    expect(events).toMatch(/event: check_completed\ndata: .*"exitCode":4.*"output":"said\\n"/);
    const recorded = () => {
      using reader = new AuditReader(path.join(server.dataDir, 'audit.sqlite'));
      return [...reader.records({ agentId: 'a', types: ['command'] })].map(({ text }) => text);
    };
    await expect.poll(() => recorded().at(-1)).toMatch(/"checkOfRound":1,.*"exitCode":4/);
    expect(recorded().at(-1)).toContain('"command":"echo said; exit 4"');
  });

  test('that never passes leaves the work as it is, and says so', async () => {
    const { result } = await implement({
      ...{ check_command: 'ls a.txt; node -p 6*7; env; exit 7', max_rounds: 2 },
    });
    expect(result.check).toMatchObject({ passed: false, exit_code: 7 });
    expect(result.check.rounds).toHaveLength(2);
    expect(result.check.output).toMatch(/^a\.txt\n42\n/);
    expect(result.check.output).not.toMatch(/TOKEN|_KEY=/);
    expect(result.warnings.at(-1)).toBe(
      'The check did not pass in 2 rounds: the command ended with exit code 7.',
    );
    expect(result.changes).toMatchObject([{ file: 'a.txt' }]);
  });

  test('that takes too long is killed, and its output is told', async () => {
    const { result } = await implement({
      ...{ max_rounds: 1, check_timeout_seconds: 1 },
      check_command: 'echo begun; setsid sleep 4241 & sleep 4242',
    });
    expect(result.check).toMatchObject({
      ...{ passed: false, exit_code: null, timed_out: true, output: 'begun\n' },
    });
    expect(result.warnings.at(-1)).toContain('did not end within 1 s and was killed');
    await expectNoSleeper();
  });

  test('leaves no daemon behind', async () => {
    const { result } = await implement({
      ...{ check_command: 'setsid sleep 4243 & sleep 4244 & echo up' },
    });
    expect(result.check).toMatchObject({ passed: true, output: 'up\n' });
    await expectNoSleeper();
  });

  test.runIf(inContainer)('may print what it likes: the end is kept', async () => {
    const { result } = await implement({
      max_rounds: 1,
      check_command: 'head -c 100000000 /dev/zero | tr "\\0" x; echo; printf "end\\377\\n"; exit 1',
    });
    const { output } = result.check;
    expect(output).toMatch(/^\.\.\. \d+ bytes before this are cut off \(CHECK_OUTPUT_BYTES\)\n/);
    expect(output).toMatch(/x\nend\?\n$/);
    expect(Buffer.byteLength(output)).toBeLessThan(17_000);
  });

  test.runIf(inContainer)('that kills who runs it did not pass', async () => {
    const { result } = await implement({
      ...{ max_rounds: 1, check_command: 'kill -9 $PPID; sleep 1' },
    });
    expect(result.check).toMatchObject({ passed: false, exit_code: null, timed_out: false });
    expect(result.warnings.at(-1)).toContain('the command was killed');
  });

  test.runIf(inContainer)('has no bounds without a command', async () => {
    const bounds = { max_rounds: 2, check_timeout_seconds: 5 };
    for (const args of [{ max_rounds: 2 }, bounds, { check_command: 'true', max_rounds: 11 }]) {
      await expect(implement(args)).rejects.toMatchObject({ code: 'invalid_input' });
    }
    await using client = await connect(server);
    const fix = call(client, 'fix', { symptoms: ['x'], check_timeout_seconds: 1 });
    await expect(fix).rejects.toMatchObject({ code: 'invalid_input' });
  });

  test('ends at once when its turn is cancelled', async () => {
    await using client = await connect(server);
    const args = {
      task: 'x',
      agent_id: 'a',
      check_command: 'setsid sleep 4245 & sleep 4246',
    };
    const { turn_id } = await call(client, 'implement', { ...args, wait: false });
    await untilSaid(server, turn_id, /check_started/);
    const ended = await call(client, 'cancel_turn', { turn_id });
    expect(ended).toMatchObject({ state: 'interrupted', error: { code: 'cancelled' } });
    await expectNoSleeper();
  });

  /** In a container the next check looks; without, nothing hides what an agent runs from us. */
  async function expectNoSleeper(): Promise<void> {
    if (runtime === 'process') {
      const all = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' });
      expect(all.split('\n').filter((line) => /^sleep 424/.test(line))).toEqual([]);
      return;
    }
    const list = `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -a 'sleep 4[2]4'`;
    const { result } = await implement({ check_command: `! ${list}`, max_rounds: 1 });
    expect(result.check).toMatchObject({ passed: true, output: '' });
  }
});
