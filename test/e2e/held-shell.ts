import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import readline from 'node:readline';
import { text } from 'node:stream/consumers';

/** Where an agent runs: in a container, or as processes below the data of the server. */
export type Home = { dataDir: string; agentId: string; container?: string | undefined };

/** The program of a workspace, stopped in the middle of what it does. */
export type HeldShell = {
  /** Lets it go on, and waits for its end; its input is over by then. Nothing if it was killed. */
  letGo(): Promise<void>;
};

// The words are put together, so that the script does not find itself.
const FIND = `for dir in /proc/[0-9]*; do
  case $(tr '\\0' ' ' 2>/dev/null <"$dir/cmdline") in *'Runs in the container '"for as long as"*) ;; *) continue ;; esac
  tr '\\0' '\\n' 2>/dev/null <"$dir/environ" | grep -qx "SNAPSHOTS=$SHADOW" || continue
  read -r _ _ _ _ group _ <"$dir/stat"
done`;
const AWAIT = `tries=0
until eval "$CONDITION"; do
  tries=$((tries + 1))
  [ "$tries" -lt 3000000 ] || exit 1
done`;
const FREEZE = `echo ready
${AWAIT}
kill -s STOP -- -1
echo frozen`;
const HOLD = `${FIND}
rm -f "$SHADOW"/commit.*
set -- .git/refs/codex/turns/*[!k]
turns=$#
echo "$group"
${AWAIT}
kill -s STOP -- "-$group"
echo held`;
// Of a NUL and what follows it, a shell reads only the latter.
const HOLD_PLACING = `found() {
  for dir in /proc/[0-9]*; do
    line=
    read -r line 2>/dev/null <"$dir/cmdline"
    case "$line" in *'Runs in the container: '"moves"*) ;; *) continue ;; esac
    tr '\\0' '\\n' 2>/dev/null <"$dir/environ" | grep -qx "STAGING=$STAGING" || continue
    pid=\${dir#/proc/}
    return 0
  done 2>/dev/null
  return 1
}
echo ready
tries=0
until found; do
  tries=$((tries + 1))
  [ "$tries" -lt 30000 ] || exit 1
done
kill -s STOP "$pid"
tries=0
until eval "$CONDITION"; do
  tries=$((tries + 1))
  [ "$tries" -lt 300000 ] && kill -s CONT "$pid" && kill -s STOP "$pid" || exit 1
done
echo held`;
const LET_GO = `kill -s CONT -- "-$GROUP" 2>/dev/null
until ! kill -s 0 -- "-$GROUP" 2>/dev/null; do sleep 0.05; done`;

/** What a commit leaves beside the snapshots once it has begun. */
export const COMMIT_BEGUN = '[ -e "$SHADOW/commit.links" ]';
/** When there is one more commit of a turn than when somebody began to look. */
export const COMMIT_MADE = 'set -- .git/refs/codex/turns/*[!k]; [ $# -gt "$turns" ]';

/**
 * Stops the shell of the workspace, and all that it runs, as soon as a condition holds, which a shell
 * reads. Resolves when somebody looks for that; `held` does when it came to it.
 */
export async function holdShell(
  home: Home,
  condition: string,
): Promise<{ held: Promise<HeldShell> }> {
  const child = run(home, HOLD, { CONDITION: condition });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const group: string = (await lines.next()).value ?? '';
  if (!/^\d+$/.test(group)) throw new Error(`No shell of a workspace was found: ${group}`);
  const held = lines.next().then(({ value }) => {
    if (value !== 'held') throw new Error('The shell could not be stopped.');
    return { letGo: async () => void (await once(run(home, LET_GO, { GROUP: group }), 'close')) };
  });
  held.catch(() => undefined);
  return { held };
}

/** Runs a script in the workspace of an agent; answers what it printed. The model of the test goes on meanwhile. */
export async function inWorkspaceOf(home: Home, script: string): Promise<string> {
  const child = run(home, script, {});
  const closed = once(child, 'close');
  const output = await text(child.stdout);
  const [code] = await closed;
  if (code !== 0) throw new Error(`It ended with ${code}: ${script}`);
  return output;
}

function run({ dataDir, agentId, container }: Home, script: string, more: Record<string, string>) {
  const stdio = ['ignore', 'pipe', 'inherit'] as const;
  if (container !== undefined) {
    const env = {
      SHADOW: '/home/agent/.workspace-snapshots',
      STAGING: '/workspace/.codex-mcp-staging',
      ...more,
    };
    const flags = Object.entries(env).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const args = ['exec', ...flags, container, 'sh', '-c', script];
    return spawn('docker', args, { stdio: [...stdio] });
  }
  const root = path.join(dataDir, 'agents', agentId);
  const env = {
    PATH: process.env.PATH,
    SHADOW: `${root}/home/.workspace-snapshots`,
    STAGING: `${root}/home/.codex-mcp-staging`,
    ...more,
  };
  return spawn('sh', ['-c', script], { cwd: `${root}/workspace`, env, stdio: [...stdio] });
}

/** Stops all that runs in a container as soon as a condition holds. */
export async function freezeContainer(
  home: Home & { container?: string | undefined },
  condition: string,
): Promise<{ held: Promise<void> }> {
  if (home.container === undefined) throw new Error('Of processes it would stop them all.');
  const child = run(home, FREEZE, { CONDITION: condition });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const held = lines.next().then(({ value }) => {
    if (value !== 'frozen') throw new Error('It never came to that.');
  });
  held.catch(() => undefined);
  return { held };
}

/**
 * Stops the program that puts an upload in its place as soon as there is one and a condition holds, for
 * ever: who comes later ends it.
 */
export async function holdPlacing(home: Home, condition: string): Promise<{ held: Promise<void> }> {
  const child = run(home, HOLD_PLACING, { CONDITION: condition });
  const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  const held = lines.next().then(({ value }) => {
    if (value !== 'held') throw new Error('Nothing was put in its place.');
  });
  held.catch(() => undefined);
  return { held };
}
