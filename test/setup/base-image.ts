import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import type Docker from 'dockerode';
import tar from 'tar-fs';
import { ensureInstalled, run } from './debian.ts';

/** Marks an image that was made here because the real one could not be pulled. */
const STAND_IN_LABEL = 'codex-mcp.stand-in';
/** Default of AGENT_BASE_IMAGE. */
export const BASE_IMAGE = 'node:24-bookworm-slim';

const DEBIAN_IMAGE = 'debian:bookworm-slim';
const DEBIAN_MIRROR = 'http://deb.debian.org/debian';

/** Like the official image in all that agent-image/Dockerfile relies on. */
const STAND_IN_DOCKERFILE = `
FROM ${DEBIAN_IMAGE}
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm \\
  && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \\
  && groupadd --gid 1000 node && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
LABEL ${STAND_IN_LABEL}=true
CMD ["node"]
`;

/** Makes sure that the base of the agent image exists: present, pulled, or a stand-in built offline. */
export async function ensureBaseImage(docker: Docker, log: (line: string) => void): Promise<void> {
  if (await presentOrPulled(docker, BASE_IMAGE)) return;
  log(`${BASE_IMAGE} cannot be pulled; a stand-in is built from Debian and this Node`);
  if (!(await presentOrPulled(docker, DEBIAN_IMAGE))) await importDebian(docker, log);
  await buildStandIn(docker);
}

async function presentOrPulled(docker: Docker, image: string): Promise<boolean> {
  try {
    await docker.getImage(image).inspect();
    return true;
  } catch {
    return pull(docker, image).then(
      () => true,
      () => false,
    );
  }
}

async function pull(docker: Docker, image: string): Promise<void> {
  await followed(docker, await docker.pull(image));
}

async function importDebian(docker: Docker, log: (line: string) => void): Promise<void> {
  await inScratch(async (directory) => {
    const root = path.join(directory, 'root');
    log(`${DEBIAN_IMAGE} is made with debootstrap`);
    await ensureInstalled('debootstrap', ['debootstrap'], log);
    await run('debootstrap', ['--variant=minbase', 'bookworm', root, DEBIAN_MIRROR]);
    await fs.rm(path.join(root, 'var/cache/apt/archives'), { recursive: true, force: true });
    const archive = path.join(directory, 'root.tar');
    await run('tar', ['--numeric-owner', '-C', root, '-cf', archive, '.']);
    const [repo, tag] = DEBIAN_IMAGE.split(':');
    await followed(docker, await docker.importImage(archive, { repo, tag }));
  });
}

async function buildStandIn(docker: Docker): Promise<void> {
  await inScratch(async (directory) => {
    await run('npm', ['pack', '--silent', 'npm@11', '--pack-destination', directory]);
    const [archive] = (await fs.readdir(directory)).filter((name) => name.endsWith('.tgz'));
    if (!archive) throw new Error('npm pack made no archive');
    await run('tar', ['-xzf', path.join(directory, archive), '-C', directory]);
    await fs.rename(path.join(directory, 'package'), path.join(directory, 'npm'));
    await fs.copyFile(process.execPath, path.join(directory, 'node'));
    await fs.writeFile(path.join(directory, 'Dockerfile'), STAND_IN_DOCKERFILE);
    const context = Readable.from(tar.pack(directory, { entries: ['Dockerfile', 'node', 'npm'] }));
    await followed(docker, await docker.buildImage(context, { t: BASE_IMAGE, forcerm: true }));
  });
}

/** The engine reports a failed pull or build inside a stream that was answered with 200. */
function followed(docker: Docker, stream: NodeJS.ReadableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    docker.modem.followProgress(stream, (error: Error | null, lines: { error?: string }[]) => {
      const failure = lines?.find((line) => line.error)?.error;
      if (error) reject(error);
      else if (failure) reject(new Error(failure));
      else resolve();
    });
  });
}

async function inScratch(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), 'codex-mcp-base-'));
  try {
    await work(directory);
  } finally {
    await fs.rm(directory, { recursive: true, force: true });
  }
}
