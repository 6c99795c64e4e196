/**
 * The rooms of `src`, from the top down: a room imports from rooms below it and from itself, types
 * included. This order is the one place that says so: `npm run walls` holds the code to it, and the
 * picture and the table of docs/architecture.md are made from it.
 */
export const ROOMS = [
  {
    name: 'main',
    files: ['src/main.ts'],
    what: 'Chooses the command of the command line.',
  },
  {
    name: 'cli',
    files: ['src/cli/'],
    what: 'The commands, each a program of its own: serve, stdio, doctor, token, login, audit.',
  },
  {
    name: 'server',
    files: ['src/server/'],
    what: 'Joins all parts, reads the configuration, runs the reaper and has events audited.',
  },
  {
    name: 'transports',
    files: ['src/transports/'],
    what: 'HTTP, MCP, REST, WebSocket and git: parse, authenticate, call, shape the reply.',
  },
  {
    name: 'tools',
    files: ['src/tools/'],
    what: 'What clients call: schemas, descriptions and results.',
  },
  {
    name: 'callers',
    files: ['src/callers/'],
    what: 'Who calls, and what one caller sees and may do.',
  },
  {
    name: 'snapshots',
    files: ['src/snapshots/'],
    what: 'Agents saved as files of the server, and restored from them.',
  },
  {
    name: 'turns',
    files: ['src/turns/'],
    what: 'A prompt from its acceptance to its end: queue, checks, events, commits.',
  },
  {
    name: 'approvals',
    files: ['src/approvals/'],
    what: 'What people have to agree to before it happens.',
  },
  {
    name: 'agents',
    files: ['src/agents/'],
    what: 'Containers and conversations of agents: start, wake, pause, stop, remove.',
  },
  {
    name: 'audit',
    files: ['src/audit/'],
    what: 'What was done, in a chain of hashes; secrets taken out of all that is kept.',
  },
  {
    name: 'gateway',
    files: ['src/gateway/'],
    what: 'The only thing a container reaches: model, credentials, egress, spending.',
  },
  {
    name: 'workspaces',
    files: ['src/workspaces/'],
    what: 'The files of an agent: git, commits, archives in and out.',
  },
  {
    name: 'runtime',
    files: ['src/runtime/'],
    what: 'Where containers run: the port, Docker, processes, and the guard of the engine.',
  },
  {
    name: 'codex',
    files: ['src/codex/'],
    what: 'The protocol of `codex app-server`.',
  },
  {
    name: 'config',
    files: ['src/config/'],
    what: 'The settings and their documents.',
  },
  {
    name: 'identity',
    files: ['src/identity/'],
    what: 'Principals, roles, permissions and the ids of agents.',
  },
  {
    name: 'ground',
    files: ['src/errors.ts', 'src/checked-input.ts', 'src/concurrency/', 'src/version.ts'],
    what: 'The table of errors, queues and waits with a limit, the version.',
  },
] as const satisfies readonly Room[];

/** Stands beside the others: it implements the store ports of the rooms below `server`. */
export const STORE = {
  name: 'store',
  files: ['src/store/'],
  what: 'SQLite, behind the store port that each room has beside its noun.',
  importedBy: ['server', 'cli'],
} as const;

/** Packages that one adapter hides; any other package may be imported everywhere. */
export const ADAPTERS: Readonly<Record<string, readonly string[]>> = {
  '@fastify/': ['src/transports/'],
  '@modelcontextprotocol/': ['src/transports/mcp/', 'src/transports/http/', 'src/cli/'],
  '@secretlint/': ['src/audit/redaction/'],
  'close-with-grace': ['src/cli/'],
  dockerode: ['src/runtime/docker/'],
  dotenv: ['src/config/'],
  fastify: ['src/transports/', 'src/server/app.ts'],
  jose: ['src/callers/authentication/'],
  'node-cron': ['src/server/'],
  'node:sqlite': ['src/store/sqlite/', 'src/audit/', 'src/gateway/credentials/file-lock.ts'],
  oauth4webapi: ['src/gateway/credentials/login-flows/'],
  'rate-limiter-flexible': ['src/callers/'],
  'tar-fs': ['src/runtime/docker/'],
  ws: ['src/codex/connection/', 'src/transports/rest/'],
};

/**
 * What tools and transports reach through the views of a caller alone: the services, ports and stores
 * below `callers`, which know no rights. Nouns such as records, states and schemas are for everybody.
 */
export const BEHIND_VIEWS = {
  rooms: ['transports', 'tools'],
  places: [
    'src/agents/agent-forks.ts',
    'src/agents/agent-manager.ts',
    'src/agents/agent-store.ts',
    'src/agents/threads/thread-store.ts',
    'src/agents/disk-usage.ts',
    'src/agents/life/',
    'src/approvals/approval-store.ts',
    'src/approvals/approvals.ts',
    'src/codex/',
    'src/gateway/',
    'src/runtime/',
    'src/snapshots/',
    'src/turns/admission/',
    'src/turns/turn-service.ts',
    'src/turns/turn-store.ts',
  ],
} as const;

export type Room = { name: string; files: readonly string[]; what: string };

/** The room that a file of `src` stands in; undefined for one that no room names. */
export function roomOf(file: string): Room | undefined {
  return [...ROOMS, STORE].find(({ files }) => files.some((each) => isAt(file, each)));
}

/** `place` is a file, or a folder if it ends with a slash. */
export function isAt(file: string, place: string): boolean {
  return place.endsWith('/') ? file.startsWith(place) : file === place;
}
