import { unquotePath } from '../../workspaces/git-quoting.ts';
import { gitUrlProblem } from './git-url.ts';

const NAMES_TOLD = 20;

/** One that a repository in the staging names. */
export type Submodule = {
  /** What `.gitmodules` calls it. */
  name: string;
  /** Within its repository. */
  path: string;
  /** Its repository, within the clone; empty for the clone itself. */
  within: string;
  /** Absolute. */
  url: string;
};

/** What a clone does not hold. */
export type Remains = {
  submodules: Submodule[];
  /** Paths of submodules that cannot be fetched: of ssh, or not in `.gitmodules`. */
  unreachable: string[];
  /** Paths of files that Git LFS keeps elsewhere. */
  lfs: string[];
};

/** Reads what the container says of a repository `within` the clone, which came from `url`. */
export function readRemains(
  output: string,
  { within, url }: { within: string; url: string },
): Remains {
  const lines = output.split('\n').map((line) => line.split('\t', 2));
  const named = (kind: string) =>
    lines.flatMap(([word, rest = '']) => (word === kind && rest !== '' ? [rest] : []));
  const modules = modulesOf(Buffer.from(named('modules').join(''), 'base64').toString());
  const paths = named('submodule').map(unquotePath);
  const known = paths.flatMap((path) => {
    const module = modules.find((each) => each.path === path);
    const absolute = module?.url === undefined ? undefined : resolved(module.url, url);
    return module && absolute !== undefined
      ? [{ name: module.name, path, within, url: absolute }]
      : [];
  });
  const reachable = new Set(known.map(({ path }) => path));
  return {
    submodules: known,
    unreachable: paths.filter((path) => !reachable.has(path)).map((path) => joined(within, path)),
    lfs: named('lfs').map((path) => joined(within, unquotePath(path))),
  };
}

/** What the caller has to know who expects all of a repository. */
export function notesOnRemains(
  missing: readonly string[],
  { lfs, wanted }: { lfs: readonly string[]; wanted: boolean },
): string[] {
  const how = wanted ? 'only https is' : 'ask with submodules: true';
  return [
    ...(missing.length > 0
      ? [`Submodules that were not fetched (${how}): ${listed(missing)}.`]
      : []),
    ...(lfs.length > 0
      ? [`Files of Git LFS, of which the clone has only the pointers: ${listed(lfs)}.`]
      : []),
  ];
}

/** Of `git config -z`: each is its key, a line break and its value. */
function modulesOf(text: string): { name: string; path?: string; url?: string }[] {
  const found = new Map<string, { path?: string; url?: string }>();
  for (const entry of text.split('\0')) {
    const [, name, key, value] = /^submodule\.(.+)\.(path|url)\n(.*)$/s.exec(entry) ?? [];
    if (name !== undefined && key !== undefined) {
      found.set(name, { ...found.get(name), [key]: value });
    }
  }
  return [...found].map(([name, module]) => ({ name, ...module }));
}

/** As git does: one that begins with dots is beside the repository that names it. */
function resolved(url: string, base: string): string | undefined {
  const absolute = /^\.\.?\//.test(url)
    ? URL.parse(url, `${base.replace(/\/+$/, '')}/`)?.href
    : url;
  return absolute !== undefined && gitUrlProblem(absolute) === undefined ? absolute : undefined;
}

export function joined(within: string, path: string): string {
  return within === '' ? path : `${within}/${path}`;
}

function listed(paths: readonly string[]): string {
  const more = paths.length - NAMES_TOLD;
  const told = paths.slice(0, NAMES_TOLD).map((path) => JSON.stringify(path));
  return more > 0 ? `${told.join(', ')} and ${more} more` : told.join(', ');
}
