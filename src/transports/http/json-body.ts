import type { FastifyInstance } from 'fastify';
import { AppError } from '../../errors.ts';

/** Deeper than any real call. Recursive validators overflow the stack at some thousands. */
const MAX_JSON_DEPTH = 128;

/** Parses JSON bodies. An empty body counts as absent; a very deep one is refused before anything walks it. */
export function acceptJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  acceptJson(app, 'application/json');
}

/**
 * Takes JSON also under the type that `curl -d` sends. A browser may send that type cross-site
 * without a preflight; the Origin check refuses it.
 */
export function acceptCurlBodies(app: FastifyInstance): void {
  acceptJson(app, 'application/x-www-form-urlencoded');
}

function acceptJson(app: FastifyInstance, contentType: string): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser<string>(contentType, { parseAs: 'string' }, (request, text, done) => {
    if (text.trim() === '') done(null);
    else void parseJson(request, text, (error, body) => done(error ?? tooDeep(body), body));
  });
}

function tooDeep(body: unknown): AppError | null {
  if (!isDeeperThan(MAX_JSON_DEPTH, body)) return null;
  return new AppError('invalid_input', `The body is nested deeper than ${MAX_JSON_DEPTH} levels.`);
}

/** Iterative, so that no depth can overflow the stack. */
function isDeeperThan(limit: number, body: unknown): boolean {
  let level: object[] = [body].filter(isObject);
  for (let depth = 1; level.length > 0; depth += 1) {
    if (depth > limit) return true;
    level = level.flatMap((item) => Object.values(item).filter(isObject));
  }
  return false;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
