import { Refusal } from './refusal.ts';

/** Name or id of a container, volume or exec: one path segment without percent-encoding. */
const REFERENCE = '[A-Za-z0-9][A-Za-z0-9_.-]*';
/** Image reference, with slashes but without `..` or `//`. */
const IMAGE = '[A-Za-z0-9][A-Za-z0-9_:@-]*(?:[./][A-Za-z0-9_:@-]+)*';

const TRUE = /^true$/;
const FALSE = /^false$/;
const SECONDS = /^\d{1,12}(\.\d{1,9})?$/;
const COUNT = /^\d{1,9}$/;
/** The rule of the call checks it. */
const ANY = /^/;

type EngineCall = {
  method: 'DELETE' | 'GET' | 'POST';
  /** Regular expression without `^` and `$`: the source of the guard, its document and flags of other proxies. */
  path: string;
  /** The allowed parameters, each at most once. */
  query?: Readonly<Record<string, RegExp>>;
  /** Other checks of the guard, for the document. */
  check: string;
};

const OWN = 'the container has the label of the installation; the engine is asked by its full id';
const LISTED = 'the filter is the label of the installation';

/** Every request that the server sends to an engine. */
export const ENGINE_CALLS = {
  info: { method: 'GET', path: '/info', check: 'the answer is cut to what the server reads' },
  findImage: {
    method: 'GET',
    path: `/images/(${IMAGE})/json`,
    check: 'the image is that of the agents, or its base',
  },
  pullImage: {
    method: 'POST',
    path: '/images/create',
    query: { fromImage: ANY, tag: ANY },
    check: 'the image is `AGENT_IMAGE` or `AGENT_BASE_IMAGE`',
  },
  buildImage: {
    method: 'POST',
    path: '/build',
    query: { t: ANY, buildargs: ANY, forcerm: TRUE },
    check: "the image is the agents'; the guard sends its own `agent-image/`, whatever it was sent",
  },
  createContainer: {
    method: 'POST',
    path: '/containers/create',
    query: { name: ANY },
    check:
      'the body is, but for environment and fingerprints, what the settings of the guard make for that agent, or to copy the volumes of another; volumes that exist have the label of the installation; a directory of the machine is within `WORKSPACE_ROOTS`, no link, and apart from those of other agents',
  },
  listContainers: {
    method: 'GET',
    path: '/containers/json',
    query: { all: TRUE, filters: ANY },
    check: LISTED,
  },
  inspectContainer: {
    method: 'GET',
    path: `/containers/(${REFERENCE})/json`,
    check: 'of a foreign container that has such a name, nothing but the name is told',
  },
  startContainer: {
    method: 'POST',
    path: `/containers/(${REFERENCE})/start`,
    check: `${OWN}; its directory of the machine is looked at again`,
  },
  stopContainer: {
    method: 'POST',
    path: `/containers/(${REFERENCE})/stop`,
    query: { t: COUNT },
    check: OWN,
  },
  pauseContainer: { method: 'POST', path: `/containers/(${REFERENCE})/pause`, check: OWN },
  unpauseContainer: { method: 'POST', path: `/containers/(${REFERENCE})/unpause`, check: OWN },
  removeContainer: {
    method: 'DELETE',
    path: `/containers/(${REFERENCE})`,
    query: { force: TRUE, v: TRUE },
    check: OWN,
  },
  measureContainer: {
    method: 'GET',
    path: `/containers/(${REFERENCE})/stats`,
    query: { stream: FALSE },
    check: OWN,
  },
  readLog: {
    method: 'GET',
    path: `/containers/(${REFERENCE})/logs`,
    query: { stdout: TRUE, stderr: TRUE, tail: COUNT, follow: FALSE },
    check: OWN,
  },
  createExec: {
    method: 'POST',
    path: `/containers/(${REFERENCE})/exec`,
    check: `${OWN}; command, directory and environment are all that may be asked for`,
  },
  startExec: {
    method: 'POST',
    path: `/exec/(${REFERENCE})/start`,
    check:
      'its container has the label of the installation; it is a connection, without a terminal',
  },
  inspectExec: {
    method: 'GET',
    path: `/exec/(${REFERENCE})/json`,
    check: 'its container has the label of the installation',
  },
  listVolumes: { method: 'GET', path: '/volumes', query: { filters: ANY }, check: LISTED },
  removeVolume: {
    method: 'DELETE',
    path: `/volumes/(${REFERENCE})`,
    check: 'the volume has the label of the installation',
  },
  readEvents: {
    method: 'GET',
    path: '/events',
    query: { since: SECONDS, until: SECONDS, filters: ANY },
    check: `${LISTED}, and the event is \`oom\``,
  },
} as const satisfies Record<string, EngineCall>;

export type EngineCallName = keyof typeof ENGINE_CALLS;

export type MatchedCall = {
  name: EngineCallName;
  method: EngineCall['method'];
  path: string;
  /** Name or id of the container, exec, volume or image. */
  target: string;
  query: Readonly<Record<string, string>>;
};

const PATTERNS = Object.entries(ENGINE_CALLS).map(([name, call]: [string, EngineCall]) => ({
  ...call,
  name: name as EngineCallName,
  pattern: new RegExp(`^${call.path}$`),
}));

/** Throws {@link Refusal} for a request that the server never sends. */
export function matchCall(method: string | undefined, url: string): MatchedCall {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  for (const { name, pattern, query = {}, ...call } of PATTERNS) {
    const match = call.method === method ? pattern.exec(path) : null;
    if (!match) continue;
    const given = mark < 0 ? '' : url.slice(mark + 1);
    return { name, method: call.method, path, target: match[1] ?? '', query: read(given, query) };
  }
  throw new Refusal('the server never sends this request');
}

function read(given: string, allowed: Readonly<Record<string, RegExp>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(given)) {
    const pattern = Object.hasOwn(allowed, name) ? allowed[name] : undefined;
    if (!pattern) throw new Refusal(`the server never sends the parameter "${name}"`);
    if (Object.hasOwn(found, name)) throw new Refusal(`the parameter "${name}" occurs twice`);
    if (!pattern.test(value)) throw new Refusal(`the parameter "${name}" is "${value}"`);
    found[name] = value;
  }
  return found;
}
