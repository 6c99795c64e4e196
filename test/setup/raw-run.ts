import { spawn } from 'node:child_process';
import { once } from 'node:events';

const SAMPLES = 3;
const VARIABLE = 'TEST_RAW_RUN_MS';
const HELLO = {
  id: 1,
  method: 'initialize',
  params: { clientInfo: { name: 'raw-run', version: '1.0.0' } },
};

/** Milliseconds of a raw run on this machine, as {@link measureUnit} left them; undefined without an engine. */
export function readUnit(): number | undefined {
  const text = process.env[VARIABLE];
  return text === undefined ? undefined : Number(text);
}

/**
 * Measures what the length of a test run is counted in: the median time from `docker run` of the agent
 * image to the first answer of Codex. Machines differ threefold, and a run costs about as many of these
 * on each.
 */
export async function measureUnit(image: string): Promise<void> {
  const times: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample += 1) times.push(await rawRun(image));
  const [, median = 0] = times.toSorted((one, other) => one - other);
  process.env[VARIABLE] = String(median);
}

async function rawRun(image: string): Promise<number> {
  const began = performance.now();
  const args = ['run', '-i', '--rm', '--network', 'none', '--entrypoint', 'codex', image];
  const child = spawn('docker', [...args, 'app-server'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const ended = once(child, 'close');
  child.stdin.write(`${JSON.stringify(HELLO)}\n`);
  const answer = once(child.stdout, 'data').then(() => true);
  if (!(await Promise.race([answer, ended.then(() => false)]))) {
    throw new Error(`docker run of ${image} ended without an answer of Codex`);
  }
  const passed = performance.now() - began;
  child.stdin.end();
  await ended;
  return passed;
}
