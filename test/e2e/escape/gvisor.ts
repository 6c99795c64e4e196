import Docker from 'dockerode';
import { inject } from 'vitest';
import { runtime } from '../../machine/oci-runtime.ts';
import type { Attempt } from './attempt.ts';

/** The runtime of the engine that is gVisor, by its program; undefined where none is. */
export const gvisor = await gvisorOfEngine();

/** Whether all of it is tried in gVisor. */
export const isGvisor = gvisor !== undefined && runtime === gvisor;

/**
 * For tests in gVisor: that of Debian 12 at times loses the end of a program, and Codex waits for it
 * until its turn is over.
 */
export const GVISOR_PATIENCE = { retry: 2, timeout: 240_000 };
export const PATIENCE = isGvisor ? GVISOR_PATIENCE : {};

async function gvisorOfEngine(): Promise<string | undefined> {
  if (!inject('engine').available) return undefined;
  const { Runtimes = {} }: { Runtimes?: Record<string, { path?: string }> } =
    await new Docker().info();
  return Object.keys(Runtimes).find((name) => Runtimes[name]?.path?.endsWith('runsc'));
}

/**
 * What gVisor answers where another wall stands than the kernel's: commands talk to a kernel of
 * their own, which lets them do some things to itself. Nothing of the machine may be seen by them.
 */
const ANSWERS: Record<string, RegExp> = {
  // The version of Debian 12 does not tell of the ambient ones.
  capabilities: /^ *[45] 0000000000000000\n$/,
  // Its calls of the machine are filtered, not those of the agent.
  'new privileges': /^1\n(NoNewPrivs:\s1\n)?Seccomp:\s[02]\n$/,
  // One may be root of a namespace there, with no power over anything outside of it.
  'user namespaces':
    /^0\n(?!.*(READ|WRITTEN|OWNED|SET|returned 0))(.*Permission denied.*){3}(returned -1 EPERM\n){2}$/s,
  nsenter: /^nsenter: [^\n]*No such file or directory\n(?!.*uid=)nsenter: /s,
  // Nodes in its memory lead to no device; in a volume there are none.
  mknod: /^(head: [^\n]*No such device or address\n0\n){3}(mknod: [^\n]*not permitted\n){3}$/,
  perf: /^returned -1 ENODEV\n$/,
  'files by handle': /^returned -1 ENOTSUP\n$/,
  'the kernel log': /^\[ +0\.000000\] Starting gVisor\.\.\.\n(\[[^\n]*\n){2}$/,
  // A device of its own, which leads to programs of the agent.
  'disks and memory': /^(\S+ No such file or directory\n){6}\/dev\/fuse /,
  'shared memory': /^0\ntail: [^\n]*No such file or directory\n0\n$/,
  'a network of its own': /^lo\n(?!.*REACHED)([^\n]*No route to host\n){3}/s,
  DNS: /^NONE\n[\s\S]*(No route to host|unreachable)/,
};

/** The same attempts, to be denied in the words of gVisor. */
export function inGvisor(attempts: readonly Attempt[]): Attempt[] {
  return attempts.map((attempt) => ({
    ...attempt,
    denied: ANSWERS[attempt.name] ?? attempt.denied,
  }));
}
