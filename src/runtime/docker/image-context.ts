import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import tar from 'tar-fs';
import { AppError } from '../../errors.ts';

/** Beside `src` in a checkout and beside `dist` in the package. */
const AGENT_IMAGE_DIRECTORY = path.join(import.meta.dirname, '../../../agent-image');
const CERTIFICATES = 'extra-ca.crt';
/** Files that the server reads and passes to containers with each exec. */
const NOT_IN_IMAGE = /\.(md|sh)$|^check\.mjs$/;

export type ImageContext = {
  /** Depends only on the files, arguments and certificates. */
  tag: string;
  buildArguments: Record<string, string>;
  /** A new archive of the build context. */
  pack(): Readable;
};

export async function readImageContext(options: {
  baseImage: string;
  certificatesFile: string | undefined;
  directory?: string;
}): Promise<ImageContext> {
  const { baseImage, certificatesFile, directory = AGENT_IMAGE_DIRECTORY } = options;
  const certificates = await readCertificates(certificatesFile);
  const buildArguments = { BASE_IMAGE: baseImage };
  const entries = await contextFiles(directory);
  const hash = createHash('sha256').update(JSON.stringify(buildArguments)).update(certificates);
  for (const name of entries) {
    hash.update(`\0${name}\0`).update(await fs.readFile(path.join(directory, name)));
  }
  return {
    tag: `codex-mcp-agent:${hash.digest('hex').slice(0, 12)}`,
    buildArguments,
    pack: () => Readable.from(archive(directory, entries, certificates)),
  };
}

function archive(directory: string, entries: string[], certificates: string) {
  return tar.pack(directory, {
    entries,
    finalize: false,
    finish: (pack) => {
      pack.entry({ name: CERTIFICATES }, certificates);
      pack.finalize();
    },
  });
}

async function contextFiles(directory: string): Promise<string[]> {
  const names = await fs.readdir(directory);
  return names.filter((name) => name !== CERTIFICATES && !NOT_IN_IMAGE.test(name)).sort();
}

async function readCertificates(file: string | undefined): Promise<string> {
  if (file === undefined) return '';
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    const message = `The file ${file} (EXTRA_CA_CERTS) cannot be read.`;
    throw new AppError('image_build_failed', message, { cause: error });
  }
}
