import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import { chooseRuntime } from '../../runtime/choose-runtime.ts';
import type { ContainerRuntime, EngineInfo } from '../../runtime/container-runtime.ts';
import { BOUND_THEM, unboundedAgents } from '../../server/health/unenforced-limits.ts';
import { CODEX_VERSION } from '../../version.ts';
import { bytes, type Check, counted, failure, ok, warning } from './check.ts';
import { checkCodexHere } from './codex-check.ts';
import { checkEngineDisk } from './disk-check.ts';

const TOPIC = 'Runtime';
const IMAGE = 'Agent image';

type EngineOptions = {
  config: Config;
  installationId: string;
  /** Whether existing agents have containers. */
  hasContainers: boolean;
  log: Logger;
};

export type EngineState = {
  /** Absent if the runtime does not answer. */
  runtime?: ContainerRuntime;
  checks: Check[];
};

/** The runtime that a server would choose, and whether agents can start in it. */
export async function checkEngine(options: EngineOptions): Promise<EngineState> {
  const { AGENT_RUNTIME } = options.config;
  const { runtime, warning: caution } = await chooseRuntime(options);
  try {
    const info = await runtime.ping();
    const message = `${describe(info)} (AGENT_RUNTIME=${AGENT_RUNTIME})`;
    const check = caution ? warning(TOPIC, message, caution) : ok(TOPIC, message);
    const checks = [check, ...(await checkAgents(runtime, info, options.config))];
    return { runtime, checks };
  } catch (error) {
    return { checks: [failure(TOPIC, error)] };
  }
}

async function checkAgents(
  runtime: ContainerRuntime,
  info: EngineInfo,
  config: Config,
): Promise<Check[]> {
  if (runtime.kind === 'process') return checkCodexHere(config);
  if (info.problem) return [failure('Containers', info.problem)];
  const disk = await checkEngineDisk(info.dataDirectory);
  const unbounded = unboundedAgents(info);
  return [
    ...(unbounded ? [warning('Limits', unbounded, BOUND_THEM)] : []),
    ...(disk ? [disk] : []),
    await checkImage(runtime, config),
  ];
}

function describe({ description, cpus, memoryBytes, cgroupVersion }: EngineInfo): string {
  const cgroup = cgroupVersion ? `, cgroup v${cgroupVersion}` : '';
  return `${description}${cgroup}, ${counted(cpus, 'CPU')}, ${bytes(memoryBytes)} of memory`;
}

async function checkImage(
  runtime: ContainerRuntime,
  { AGENT_IMAGE }: Pick<Config, 'AGENT_IMAGE'>,
): Promise<Check> {
  const { image, present, codexVersion } = await runtime.readiness();
  if (!present) {
    const next = AGENT_IMAGE
      ? 'The next start of the server pulls it.'
      : 'The next start of the server builds it, which takes minutes.';
    return warning(IMAGE, `${image} is not on the engine`, next);
  }
  // The name of a built image includes a hash of its content.
  if (!AGENT_IMAGE || codexVersion === CODEX_VERSION) {
    return ok(IMAGE, `${image} is there, with Codex ${codexVersion ?? 'of an unknown version'}`);
  }
  const message = `${image} has Codex ${codexVersion ?? 'of an unknown version'}; this server is made for ${CODEX_VERSION}`;
  return warning(IMAGE, message, 'Rebuild it: see agent-image/README.md.');
}
