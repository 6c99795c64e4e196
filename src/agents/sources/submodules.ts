import { unquotePath } from '../../workspaces/git-quoting.ts';
import { gitUrlProblem } from './git-url.ts';

const MAX_NAMES = 20;

/** A submodule of a repository in the staging directory. */
export type Submodule = {
  /** Name in `.gitmodules`. */
  name: string;
  /** Path in its repository. */
  path: string;
  /** Path of its repository in the clone; empty for the clone itself. */
  within: string;
  /** Absolute. */
  url: string;
};

/** Content that git does not clone. */
export type MissingContent = {
  submodules: Submodule[];
  /** Paths of submodules with an unsupported URL or without an entry in `.gitmodules`. */
  unreachable: string[];
  /** Paths of files in Git LFS. */
  lfs: string[];
};

/** Parses the list of a repository at `within` in the clone, which came from `url`. */
export function readMissingContent(
  output: string,
  { within, url }: { within: string; url: string },
): MissingContent {
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

export function missingContentNotes(
  missing: readonly string[],
  { lfs, wanted }: { lfs: readonly string[]; wanted: boolean },
): string[] {
  const how = wanted ? 'only https is supported' : 'pass submodules: true';
  return [
    ...(missing.length > 0
      ? [`These submodules were not fetched (${how}): ${listed(missing)}.`]
      : []),
    ...(lfs.length > 0
      ? [`The clone has only the Git LFS pointers of these files: ${listed(lfs)}.`]
      : []),
  ];
}

/** Parses `git config -z`: key, line break and value per entry. */
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

/** Like git, resolves a URL that starts with dots relative to the repository. */
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
  const more = paths.length - MAX_NAMES;
  const names = paths.slice(0, MAX_NAMES).map((path) => JSON.stringify(path));
  return more > 0 ? `${names.join(', ')} and ${more} more` : names.join(', ');
}
