import type { EngineInfo } from '../../runtime/container-runtime.ts';

/** What to say of an engine that bounds not all that agents use; undefined if it does. */
export function unboundedAgents({ unbounded, cgroupVersion }: EngineInfo): string | undefined {
  if (!unbounded) return undefined;
  const cgroups = cgroupVersion === undefined ? '' : `, with cgroup v${cgroupVersion}`;
  return `The engine takes limits of ${unbounded.join(', ')} and enforces none of them${cgroups}: an agent may take all that the machine has.`;
}

/** What to do about that. */
export const BOUND_THEM =
  'Let the engine run with cgroup v2, delegated to its user if it is rootless: see docs/engine.md.';
