import { DatabaseCopy, type DatabaseState } from '../../store/sqlite/database-copy.ts';
import { DATABASE_FILE } from '../../store/sqlite/sqlite-store.ts';
import { type Check, ok, problem } from './check.ts';

const TOPIC = 'Database';

type DatabaseCheck = {
  check: Check;
  /** Absent if there is no valid database. */
  installation?: { id: string; hasContainers: boolean };
};

/** Whether the database is valid and of a supported version. Its installation id finds containers. */
export function checkDatabase(directory: string): DatabaseCheck {
  try {
    using copy = DatabaseCopy.take(directory);
    if (!copy) return { check: ok(TOPIC, 'there is none yet: the first start creates it') };
    const state = copy.inspect();
    const complaint = complaintAbout(state);
    return complaint ? { check: complaint } : describe(copy, state);
  } catch (error) {
    return { check: unreadable(error) };
  }
}

function complaintAbout({ version, newest, problems }: DatabaseState): Check | undefined {
  if (version > newest) {
    return problem(
      TOPIC,
      `The database has version ${version}, and this server supports versions up to ${newest}.`,
      'Use the newer server that wrote it.',
    );
  }
  return problems.length > 0 ? damaged(problems.join('; ')) : undefined;
}

/** Only an error of SQLite itself means a damaged database. */
function unreadable(error: unknown): Check {
  const reason = error instanceof Error ? error.message : String(error);
  const isOfSqlite = error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR';
  if (isOfSqlite) return damaged(reason);
  const message = `The database could not be read: ${reason}.`;
  return problem(
    TOPIC,
    message,
    'Run doctor as the user of the server, with disk space for a copy of the database.',
  );
}

function damaged(reason: string): Check {
  return problem(
    TOPIC,
    `${DATABASE_FILE} can't be read: ${reason}.`,
    'Stop the server and restore the database from a backup. Or move it away: the next start creates an empty one, without the agents; their volumes stay.',
  );
}

function describe(copy: DatabaseCopy, { version, newest }: DatabaseState): DatabaseCheck {
  const store = copy.open();
  try {
    const { installationId: id, runtimeKind, agents } = store;
    const age = version < newest ? ` (the next start migrates it to ${newest})` : '';
    const check = ok(TOPIC, `whole, version ${version}${age}, installation ${id}`);
    const hasContainers = runtimeKind === 'docker' && agents.list().length > 0;
    return { check, installation: { id, hasContainers } };
  } finally {
    store.close();
  }
}
