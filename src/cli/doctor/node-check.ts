import { type Check, ok, problem } from './check.ts';

/** As in package.json. */
const OLDEST = 24;

/** Whether this Node can run the program. Called before other modules are loaded. */
export function checkNode(version: string): Check {
  if (Number.parseInt(version, 10) >= OLDEST) return ok('Node', version);
  return problem(
    'Node',
    `${version} is too old.`,
    `Install Node ${OLDEST} or newer. In a checkout, npm scripts bring their own: npm ci && npm start.`,
  );
}
