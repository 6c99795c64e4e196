import fs from 'node:fs';
import fsAsync from 'node:fs/promises';
import path from 'node:path';
import { bytes, type Check, ok, problem, warning } from './check.ts';

const MEBIBYTE = 1024 * 1024;
const FULL = 100 * MEBIBYTE;
/** One agent can fill this in minutes. */
const SCARCE = 1024 * MEBIBYTE;

const TOPIC = 'Data';

/** Whether DATA_DIR is writable, and its free space. */
export async function checkDataDir(directory: string): Promise<Check> {
  const exists = fs.existsSync(directory);
  const where = exists ? directory : nearestParent(path.resolve(directory));
  const { R_OK, W_OK, X_OK } = fs.constants;
  try {
    fs.accessSync(where, R_OK | W_OK | X_OK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return problem(
      TOPIC,
      `DATA_DIR is "${directory}", which can't be used: ${reason}.`,
      'Let this user write there, or set another DATA_DIR.',
    );
  }
  if (!exists) return ok(TOPIC, `${directory} does not exist yet: the first start creates it`);
  return checkSpace(TOPIC, directory);
}

/** Free space of the engine's data directory, if it is on this machine. */
export async function checkEngineDisk(directory: string | undefined): Promise<Check | undefined> {
  if (directory === undefined || !fs.existsSync(directory)) return undefined;
  return checkSpace('Engine disk', directory);
}

async function checkSpace(topic: string, directory: string): Promise<Check> {
  const { bavail, bsize } = await fsAsync.statfs(directory);
  const free = bavail * bsize;
  const message = `${directory}, ${bytes(free)} free`;
  const advice = 'Free disk space.';
  if (free < FULL) return problem(topic, `${message}: the disk is full.`, advice);
  return free < SCARCE ? warning(topic, message, advice) : ok(topic, message);
}

function nearestParent(directory: string): string {
  return fs.existsSync(directory) ? directory : nearestParent(path.dirname(directory));
}
