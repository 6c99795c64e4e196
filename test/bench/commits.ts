import { text } from 'node:stream/consumers';
import type Docker from 'dockerode';
import { pino } from 'pino';
import type { ContainerRuntime } from '../../src/runtime/container-runtime.ts';
import { Workspace } from '../../src/workspaces/workspace.ts';
import { DockerInstallation } from '../runtime/docker-setup.ts';
import { type BenchContext, withOwnCleanup } from './bench-context.ts';
import type { Section } from './section.ts';

const FILES = 10_000;
const FILE_BYTES = 50_000;
/** What a turn changes: a small one, and a large one. */
const CHANGES = [1, 200] as const;
const SHARE_OF_ROUNDS = 1 / 5;
const RATIO_AIM = 2;
const AGENT = 'commits';
const RAW = 'git add -A && git commit';
const STEPS = ['snapshot before', 'snapshot after', 'commit'] as const;
const WHOLE = 'all of a turn';

/** Files as `CHANGE FIRST COUNT` makes them, in 100 directories, of letters that do not compress well. */
const WRITE = `write() {
  index=$1
  while [ "$index" -lt $(($1 + $2)) ]; do
    mkdir -p "directory-$((index % 100))"
    head -c ${(FILE_BYTES * 3) / 4} /dev/urandom | base64 -w 0 >"directory-$((index % 100))/file-$index"
    index=$((index + 1))
  done
}`;
const GIT = 'git -c user.name=bench -c user.email=bench@localhost -c gc.auto=0';

type Samples = Record<string, number[]>;

/** What the commits of turns cost in a large repository, beside what git's own would cost there. */
export function measureCommits(context: BenchContext, _docker: Docker): Promise<Section[]> {
  return withOwnCleanup(context, async ({ cleanup, rounds, interrupted }) => {
    const installation = cleanup.use(new DockerInstallation());
    const runtime = installation.runtime();
    await runtime.prepare(() => undefined);
    await runtime.create({ agentId: AGENT, env: {} });
    await runtime.start(AGENT);
    const raw = `${runtime.layout(AGENT).home}/raw`;
    const paths = { workspace: runtime.layout(AGENT).workspace, raw };
    const all = await prepare(runtime, paths);
    const workspace = await Workspace.open(runtime, AGENT, pino({ level: 'silent' }));
    cleanup.defer(() => workspace.close());
    const first = await timed(() => workspace.checkpoint());
    const sections = [];
    for (const count of CHANGES) {
      const samples: Samples = {};
      for (let round = 0; round < Math.max(1, rounds * SHARE_OF_ROUNDS); round += 1) {
        interrupted.throwIfAborted();
        await measureTurn({ runtime, workspace, paths }, { count, round }, samples);
      }
      const rows = Object.entries(samples).map(([name, taken]) => ({ name, samples: taken }));
      sections.push({
        title: `Commit of a turn that changes ${count} of ${FILES} files of ${FILE_BYTES / 1000} KB`,
        unit: 'ms' as const,
        baseline: RAW,
        rows,
        aims: [{ row: WHOLE, ratioAtMost: RATIO_AIM }],
      });
    }
    const title = `First snapshot of ${FILES} files of ${FILE_BYTES / 1000} KB, of a clone`;
    const rows = [
      { name: RAW, samples: [all / 1000] },
      { name: 'snapshot', samples: [first / 1000] },
    ];
    return [{ title, unit: 's', rows, baseline: RAW }, ...sections];
  });
}

type Place = {
  runtime: ContainerRuntime;
  workspace: Workspace;
  paths: { workspace: string; raw: string };
};

async function measureTurn(
  { runtime, workspace, paths }: Place,
  { count, round }: { count: number; round: number },
  samples: Samples,
): Promise<void> {
  const note = (name: string, ms: number) => {
    samples[name] = [...(samples[name] ?? []), ms];
  };
  const [looked, recorded, committed] = STEPS;
  const change = `${WRITE}\nwrite ${(round * count) % FILES} ${count}`;
  // In turn, so that a machine that gets slower does so for both.
  await run(runtime, `cd ${paths.raw} && ${change}`);
  note(RAW, await timedIn(runtime, `cd ${paths.raw} && ${GIT} add -A && ${GIT} commit -qm x`));
  const before = await timedResult(() => workspace.checkpoint());
  await run(runtime, `cd ${paths.workspace} && ${change}`);
  const after = await timedResult(() => workspace.checkpoint());
  const ms = await timed(() =>
    workspace.commits.make({
      ...{ before: before.result, after: after.result },
      ref: `turns/bench-${count}-${round}`,
      at: new Date(),
      author: 'bench',
      message: 'x',
      fileLimit: 50 * 1024 * 1024,
    }),
  );
  note(looked, before.ms);
  note(recorded, after.ms);
  note(committed, ms);
  note(WHOLE, before.ms + after.ms + ms);
}

/**
 * The same files in the workspace and beside it, committed and packed as those of a clone. Answers how
 * long the first commit of them took.
 */
async function prepare(runtime: ContainerRuntime, paths: Place['paths']): Promise<number> {
  await run(runtime, `${WRITE}\ncd ${paths.workspace} && ${GIT} init -q && write 0 ${FILES}`);
  const ms = await timedIn(
    runtime,
    `cd ${paths.workspace} && ${GIT} add -A && ${GIT} commit -qm x`,
  );
  const pack = `${GIT} repack -a -d -q --window=0 && ${GIT} prune-packed`;
  const copy = `cp -a . ${paths.raw} && git -C ${paths.raw} status --short`;
  await run(runtime, `cd ${paths.workspace} && ${pack} && ${copy}`);
  return ms;
}

async function run(runtime: ContainerRuntime, script: string): Promise<string> {
  const child = await runtime.exec(AGENT, ['sh', '-c', script]);
  child.stdio.end();
  const [said, complaint, status] = await Promise.all([
    text(child.stdio),
    text(child.stderr),
    child.exited,
  ]);
  if (status !== 0) throw new Error(`The container says: ${complaint}`);
  return said;
}

/** By the clock of the container: without the exec, which a turn does not need either. */
async function timedIn(runtime: ContainerRuntime, script: string): Promise<number> {
  const clock = 'date +%s%N';
  const said = await run(runtime, `began=$(${clock}); ${script} && echo $(($(${clock}) - began))`);
  return Number(said) / 1e6;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  return (await timedResult(work)).ms;
}

async function timedResult<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const began = performance.now();
  const result = await work();
  return { result, ms: performance.now() - began };
}
