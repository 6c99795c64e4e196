import fs from 'node:fs';
import path from 'node:path';
import { parseSync } from 'oxc-parser';

/** One import of a file: what it names, and the file that this is, unless it is a package. */
export type Import = { from: string; specifier: string; to: string | undefined };

/** `import('./a.ts')`, of values and of types. */
const CALLED = /\bimport\(\s*['"]([^'"]+)['"]/g;

/** Every import of the TypeScript files below a folder, with paths from the root of the checkout. */
export function readImports(root: string, folder: string): Import[] {
  const files = fs
    .globSync(`${folder}/**/*.ts`, { cwd: root })
    .map((file) => file.split(path.sep).join('/'));
  return files
    .toSorted()
    .flatMap((file) => importsOf(file, fs.readFileSync(path.join(root, file), 'utf8')));
}

/** Throws for a text that cannot be parsed. */
export function importsOf(file: string, text: string): Import[] {
  const { module, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file} cannot be parsed: ${errors[0]?.message}`);
  const named = [
    ...module.staticImports.map(({ moduleRequest }) => moduleRequest.value),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest }) => moduleRequest?.value ?? []),
    ),
    ...[...text.matchAll(CALLED)].flatMap(([, specifier]) => specifier ?? []),
  ];
  return [...new Set(named)].map((specifier) => ({
    from: file,
    specifier,
    to: specifier.startsWith('.')
      ? path.posix.join(path.posix.dirname(file), specifier)
      : undefined,
  }));
}
