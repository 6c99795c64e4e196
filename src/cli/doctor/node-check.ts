import { type Check, ok, problem } from './check.ts';

/** As package.json says: before it there is no SQLite in Node. */
const OLDEST = 24;

/** Whether this program can run at all. It is asked before anything else is loaded. */
export function checkNode(version: string): Check {
  if (Number.parseInt(version, 10) >= OLDEST) return ok('Node', version);
  return problem(
    'Node',
    `${version} is too old.`,
    `Install Node ${OLDEST} or newer. In a checkout, npm scripts bring their own: npm ci && npm start.`,
  );
}
