import type Docker from 'dockerode';
import type { ContainerState, ContainerSummary } from '../container-runtime.ts';
import { LABELS } from './labels.ts';

export function summarize(
  container: Docker.ContainerInspectInfo,
  expected: { specFingerprint: string | undefined; outOfMemory: boolean },
): ContainerSummary {
  const { Labels: labels } = container.Config;
  const state = stateOf(container);
  const { specFingerprint } = expected;
  return {
    agentId: labels[LABELS.agent] ?? '',
    id: container.Id,
    state,
    // The engine sets OOMKilled when the main process ends, and keeps it after the next start.
    outOfMemory: expected.outOfMemory || (state === 'stopped' && container.State.OOMKilled),
    ...(container.State.Status === 'exited' && { exitCode: container.State.ExitCode }),
    // Without the image, the container could not be replaced.
    outdated: specFingerprint !== undefined && labels[LABELS.spec] !== specFingerprint,
    ...(labels[LABELS.copyOf] !== undefined && { isCopy: true }),
  };
}

export function stateOf({ State }: Docker.ContainerInspectInfo): ContainerState {
  if (State.Paused) return 'paused';
  return State.Running ? 'running' : 'stopped';
}
