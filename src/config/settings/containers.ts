import { z } from 'zod';
import {
  absoluteDirectory,
  directory,
  directoryRoots,
  diskSize,
  flag,
  MEBIBYTE,
  memorySize,
  setting,
  wholeNumber,
} from '../setting.ts';

export const containersSettings = {
  DOCKER_HOST: setting(z.string().min(1).optional(), {
    group: 'Containers',
    description: 'Address of the Docker engine.',
    allowed: 'unix:///path, tcp://host:port, http(s)://host:port or ssh://user@host',
    shownDefault: 'unix:///var/run/docker.sock',
  }),
  DOCKER_TLS_VERIFY: setting(flag().default(false), {
    group: 'Containers',
    description:
      'Connect to a `tcp://` engine by TLS. Port 2376, `https://` and `DOCKER_CERT_PATH` turn TLS on as well. The certificate of the engine is always verified.',
    allowed: 'true or false',
  }),
  DOCKER_CERT_PATH: setting(directory().optional(), {
    group: 'Containers',
    description:
      'Directory with the certificate authority of that engine and the client certificate of the server.',
    allowed: 'a directory with ca.pem, cert.pem and key.pem that can be read',
  }),
  AGENT_IMAGE: setting(z.string().min(1).optional(), {
    group: 'Containers',
    description: 'Image of the agents. Unset: the server builds `agent-image/` at its first start.',
    allowed: 'an image reference',
  }),
  AGENT_BASE_IMAGE: setting(z.string().min(1).default('node:24-bookworm-slim'), {
    group: 'Containers',
    description: 'Base of the image that the server builds: Debian with Node 24.',
    allowed: 'an image reference',
  }),
  EXTRA_CA_CERTS: setting(z.string().min(1).optional(), {
    group: 'Containers',
    description:
      'PEM file with certificate authorities that the image adds, for networks behind a TLS-inspecting proxy.',
    allowed: 'a readable file',
  }),
  SKILLS_DIR: setting(absoluteDirectory().optional(), {
    group: 'Containers',
    description:
      'Directory of skills on the machine of the engine. It is mounted read-only into every agent. See [skills.md](skills.md).',
    allowed: 'absolute path of a directory that can be read',
  }),
  WORKSPACE_ROOTS: setting(directoryRoots().default([]), {
    group: 'Containers',
    description:
      'Directories of this machine, separated by `:`. Administrators may choose the workspace of an agent within them. See [files.md](files.md#a-directory-of-the-machine).',
    allowed:
      'absolute paths of directories that can be read, none of them / or within another; with an engine on this machine',
  }),
  CONTAINER_RUNTIME: setting(
    z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/)
      .optional(),
    {
      group: 'Containers',
      description:
        'OCI runtime of the agents, such as `runsc` of gVisor or `kata`. The engine must have it; gVisor requires CONTAINER_PIDS_LIMIT=2048: see [engine.md](engine.md#another-runtime).',
      allowed: 'a runtime that `docker info` lists',
      shownDefault: "the engine's default",
    },
  ),
  CONTAINER_CPU_LIMIT: setting(z.coerce.number().min(0.01).max(1024).default(4), {
    group: 'Containers',
    description: 'CPUs of an agent. A value above the CPUs of the engine means all of them.',
    allowed: 'a number from 0.01 to 1024',
  }),
  CONTAINER_MEMORY_LIMIT: setting(memorySize().default(2048 * MEBIBYTE), {
    group: 'Containers',
    description: 'Memory of an agent, swap included.',
    allowed: 'a size of at least 64m, such as 512m or 2g',
  }),
  CONTAINER_PIDS_LIMIT: setting(wholeNumber(32, 100_000).default(512), {
    group: 'Containers',
    description: 'Processes and threads of an agent.',
    allowed: 'a whole number from 32 to 100000',
  }),
  CONTAINER_DISK_LIMIT: setting(diskSize().default(10 * 1024 * MEBIBYTE), {
    group: 'Containers',
    description:
      'Size of the files of an agent, workspace and home together, measured after turns that write. It is the limit of each single file too. 0: no limit.',
    allowed: '0, or a size of at least 64m, such as 512m or 10g',
    shownDefault: '10g',
  }),
  CONTAINER_NETWORK_MODE: setting(z.enum(['none', 'bridge']).default('none'), {
    group: 'Containers',
    description:
      'Network of an agent. `none`: the gateway of the server only. `bridge`: the bridge network of the engine.',
    allowed: 'none or bridge',
  }),
  CONTAINER_STARTUP_TIMEOUT: setting(wholeNumber(1, 3600).default(120), {
    group: 'Containers',
    description: 'Seconds that a started agent may take to answer.',
    allowed: 'a whole number from 1 to 3600',
  }),
  CODEX_ANSWER_TIMEOUT: setting(wholeNumber(1, 3600).default(20), {
    group: 'Containers',
    description:
      'Seconds that Codex may be silent while it is needed. Then the server reconnects, and restarts the container if Codex stays silent.',
    allowed: 'a whole number from 1 to 3600',
  }),
  CONTAINER_STOP_TIMEOUT: setting(wholeNumber(0, 3600).default(30), {
    group: 'Containers',
    description: 'Seconds that a stopping agent may take before it is killed.',
    allowed: 'a whole number from 0 to 3600',
  }),
  DOCKER_OPERATION_TIMEOUT: setting(wholeNumber(1, 3600).default(60), {
    group: 'Containers',
    description: 'Time-out of a request to the engine, in seconds.',
    allowed: 'a whole number from 1 to 3600',
  }),
  CODEX_BIN: setting(z.string().min(1).optional(), {
    group: 'Containers',
    description:
      'Codex program of the process runtime. Unset: the one installed with this package.',
    allowed: 'path of the native codex program',
  }),
};
