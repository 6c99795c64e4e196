import { beforeAll, describe, expect, test } from 'vitest';
import { call } from '../test-server.ts';
import { isGvisor } from './gvisor.ts';
import { type Rig, VICTIM } from './rig.ts';

const AGENT = 'tamperer';
const pidOf = (words: string) =>
  `pid=$(for d in /proc/[0-9]*; do tr '\\0' ' ' 2>/dev/null <$d/cmdline | grep -q '^${words}' && echo \${d#/proc/}; done | head -1);`;
const TUNNEL = pidOf('node /usr/local/lib/codex-mcp/tunnel.mjs');

/** A frame of HTTP/2 as a Python expression. */
const frame = (type: number, flags: number, stream: number | 'n', payload: string) =>
  `((len(${payload})).to_bytes(3, "big") + bytes([${type}, ${flags}]) + (${stream}).to_bytes(4, "big") + ${payload})`;
const forge = (bytes: string) =>
  `${TUNNEL} timeout 3 python3 -c 'import os; open("/proc/'$pid'/fd/1", "wb", buffering=0).write(${bytes})'`;

/** What is written to the server in the name of the tunnel. */
export const FORGERIES: Record<string, string> = {
  noise: `${TUNNEL} head -c 300000 /dev/urandom > /proc/$pid/fd/1`,
  'frames of every type': forge(
    [...Array(16).keys()]
      .map((type) => frame(type, 255, 2 ** 31 - 1, 'os.urandom(64)'))
      .join(' + '),
  ),
  'a flood of settings': forge(`${frame(4, 0, 0, 'b""')} * 200000`),
  'a flood of pings': forge(`${frame(6, 0, 0, 'b"12345678"')} * 100000`),
  'endless headers': forge(
    `${frame(1, 0, 4001, 'b""')} + ${frame(9, 0, 4001, 'b"x" * 16000')} * 400`,
  ),
  'a frame without end': forge(
    'b"\\xff\\xff\\xff\\x00\\x00\\x00\\x00\\x10\\x01" + b"x" * 30000000',
  ),
  'many streams that are reset': forge(
    `b"".join(${frame(1, 4, 'n', 'b"\\x82\\x84\\x86"')} + ${frame(3, 0, 'n', 'b"\\0\\0\\0\\x08"')} for n in range(5001, 45001, 2))`,
  ),
  'a window that overflows': forge(`${frame(8, 0, 0, 'b"\\x7f\\xff\\xff\\xff"')} * 3`),
};

/** Has an agent write them, one after another. */
export function testsOfForgeries(rig: () => Rig, names = Object.keys(FORGERIES)): void {
  describe('harms only itself by forged frames', () => {
    beforeAll(() => rig().sh(AGENT, 'true'));
    test.each(names)('%s', async (name) => {
      const forged = await rig()
        .run(AGENT, `${FORGERIES[name]}; echo done $pid`)
        .catch(({ code }) => ({ output: `failed ${code}` }));
      expect(forged.output).toMatch(/done \d+|failed \w+/);
      await works(rig(), VICTIM);
      await works(rig(), AGENT);
    });
  });
}

/** What it can do to the programs that connect its own container with the server. */
export function testsOfTampering(rig: () => Rig): void {
  testsOfForgeries(rig, ['noise', 'a frame without end', 'many streams that are reset']);

  test('cannot kill the first process, and its tunnel comes again', async () => {
    const { output } = await rig().run(
      AGENT,
      `${isGvisor ? '' : 'kill -9 1;'} ${TUNNEL} kill -9 $pid && echo killed; sleep 1; ${TUNNEL} echo "tunnel $pid"`,
    );
    expect(output).toMatch(/killed\n[\s\S]*tunnel \d+/);
  });

  test.runIf(isGvisor)('ends its own container by killing the first process', async () => {
    const killing = rig().run(AGENT, 'kill -9 1; sleep 9');
    await expect(killing).rejects.toMatchObject({ code: 'container_lost' });
    await works(rig(), AGENT);
    await works(rig(), VICTIM);
  });

  test('loses its turn by killing Codex, and nothing else', async () => {
    const killing = rig().run(AGENT, `${pidOf('codex app-server --listen')} kill -9 $pid; sleep 9`);
    await expect(killing).rejects.toMatchObject({ code: 'container_lost' });
    await works(rig(), AGENT);
  });

  test('reaches its own Codex by the socket, and no conversation of others', async () => {
    const victim = await rig().run(VICTIM, 'true');
    const own = await rig().run(AGENT, 'true');
    const lines = [
      { id: 1, method: 'initialize', params: { clientInfo: { name: 'x', version: '1' } } },
      { method: 'initialized' },
      { id: 2, method: 'thread/list', params: {} },
    ];
    // The proxy carries WebSocket frames; Codex has a program of its own for one that speaks JSON.
    const talk = `cat > /tmp/talk.mjs <<'END'
import net from 'node:net';
const socket = net.connect(process.argv[2]);
socket.write('GET / HTTP/1.1\\r\\nhost: x\\r\\nupgrade: websocket\\r\\nconnection: upgrade\\r\\nsec-websocket-version: 13\\r\\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\\r\\n\\r\\n');
const send = (text) => { const body = Buffer.from(text);
  const head = body.length < 126 ? Buffer.from([129, 128 + body.length]) : Buffer.from([129, 254, body.length >> 8, body.length & 255]);
  socket.write(Buffer.concat([head, Buffer.alloc(4), body])); };
socket.once('data', () => { for (const line of ${JSON.stringify(lines)}) send(JSON.stringify(line)); });
socket.on('data', (data) => process.stdout.write(data.toString('latin1').replace(/[^ -~]/g, ' ')));
setTimeout(() => process.exit(), 1500);
END
node /tmp/talk.mjs /tmp/app.sock | tr -d '\\n' | head -c 6000`;
    const said = await rig().sh(AGENT, talk);
    expect(said).toContain(own.result.session_id);
    expect(said).not.toContain(victim.result.session_id);
  });

  test('keeps what an implementation started, until the agent is stopped', async () => {
    const DAEMON = 'sleep 4242';
    const look = `for d in /proc/[0-9]*; do tr '\\0' ' ' <$d/cmdline; echo; done 2>/dev/null | grep -c '^${DAEMON}'`;
    await rig().sh(
      AGENT,
      `setsid -f ${DAEMON} >/dev/null 2>&1; (nohup setsid ${DAEMON} >/dev/null 2>&1 &)`,
    );
    expect(await rig().sh(AGENT, look)).toMatch(/\n2\n/);
    await rig().run(AGENT, `setsid -f ${DAEMON} >/dev/null 2>&1`, { tool: 'plan' });
    expect(await rig().sh(AGENT, look)).toMatch(/\n2\n/);
    await call(rig().client, 'cleanup_inactive_agents', { older_than_seconds: 0 });
    expect(await rig().sh(AGENT, look)).toMatch(/\n0\n/);
  });
}

async function works(rig: Rig, agent: string): Promise<void> {
  expect(await rig.sh(agent, 'echo still $((40 + 2))')).toContain('still 42');
}
