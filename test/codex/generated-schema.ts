import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CODEX_BIN } from './codex-process.ts';

export type Schema = {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  definitions?: Record<string, Schema>;
};

/** What the installed Codex says of its own protocol, by file name without its ending. */
export function generateSchemas(): (name: string) => Schema {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'codex-schema-'));
  execFileSync(CODEX_BIN, [
    ...['app-server', 'generate-json-schema', '--experimental', '--out'],
    folder,
  ]);
  const schemas = new Map(
    globSync('{.,v1,v2}/*.json', { cwd: folder }).map((file) => [
      file.replace(/\.json$/, ''),
      readFileSync(path.join(folder, file), 'utf8'),
    ]),
  );
  rmSync(folder, { recursive: true });
  return (name) => JSON.parse(schemas.get(name) ?? '{}');
}

/** Name of the definition of each method's parameters in a union such as `ClientRequest`. */
export function paramsByMethod(union: Schema): Map<string, string> {
  return new Map(
    (union.oneOf ?? []).map(({ properties }) => [
      String(properties?.method?.enum?.[0]),
      properties?.params?.$ref?.split('/').at(-1) ?? '',
    ]),
  );
}

/** The plain alternatives of a schema, without references and unions. */
function alternatives(schema: Schema, root: Schema): Schema[] {
  const name = schema.$ref?.split('/').at(-1);
  if (name !== undefined) return alternatives(root.definitions?.[name] ?? {}, root);
  const branches = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (!branches) return [schema];
  return branches
    .flatMap((branch) => alternatives(branch, root))
    .map((branch) => ({
      ...branch,
      properties: { ...schema.properties, ...branch.properties },
      required: [...(schema.required ?? []), ...(branch.required ?? [])],
    }));
}

const DEPTH = 8;

/** Values that the schema allows: each alternative, each property present and absent, once. */
export function samples(schema: Schema, root: Schema, depth = 0): unknown[] {
  if (depth > DEPTH) return [];
  return alternatives(schema, root).flatMap((plain) => samplesOf(plain, root, depth));
}

function samplesOf(schema: Schema, root: Schema, depth: number): unknown[] {
  if (schema.enum) return schema.enum;
  return [schema.type ?? 'object'].flat().flatMap((type) => {
    if (type === 'object') return objects(schema, root, depth);
    if (type === 'array') {
      const items = samples(schema.items ?? {}, root, depth + 1);
      return [[], ...items.map((item) => [item])];
    }
    return [{ string: 'text', integer: 1, number: 1.5, boolean: true, null: null }[type]];
  });
}

function objects(schema: Schema, root: Schema, depth: number): unknown[] {
  const values = Object.entries(schema.properties ?? {}).map(
    ([name, property]) => [name, samples(property, root, depth + 1)] as const,
  );
  const required = values.filter(([name]) => schema.required?.includes(name));
  const least = Object.fromEntries(required.map(([name, [first]]) => [name, first]));
  const varied = values.flatMap(([name, all]) => all.map((value) => ({ ...least, [name]: value })));
  return [least, ...varied];
}

/** Paths of the properties in `ours` that `theirs` does not have. */
export function unknownPaths(ours: Schema, theirs: Schema, root: Schema, at = ''): string[] {
  const all = alternatives(theirs, root);
  if (ours.items) {
    const items = all.flatMap((plain) => plain.items ?? []);
    return unknownPaths(ours.items, { anyOf: items }, root, `${at}[]`);
  }
  const branches = alternatives(ours, ours);
  if (branches.length > 1) {
    return branches.flatMap((branch) => unknownPaths(branch, theirs, root, at));
  }
  const tag = ours.properties?.type?.const;
  const same = all.filter(
    ({ properties }) => tag === undefined || properties?.type?.enum?.includes(tag),
  );
  return Object.entries(ours.properties ?? {}).flatMap(([name, property]) => {
    const found = same.flatMap(({ properties }) => properties?.[name] ?? []);
    const here = `${at}.${tag === undefined ? '' : `${String(tag)}.`}${name}`;
    if (found.length === 0) return [here];
    return unknownPaths(property, { anyOf: found }, root, here);
  });
}

/** The schema with every object closed, so that a misspelt key does not pass. */
export function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const entries = Object.entries(schema).map(([key, value]) => [key, closed(value)]);
  const open = 'properties' in schema && !('oneOf' in schema) && !('anyOf' in schema);
  return { ...(open && { additionalProperties: false }), ...Object.fromEntries(entries) };
}
