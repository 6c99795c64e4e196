import { readFileSync } from 'node:fs';
import { z } from 'zod';

const manifest = z
  .object({
    version: z.string(),
    optionalDependencies: z.object({ '@openai/codex': z.string() }),
  })
  .parse(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')));

/** The version of this package. */
export const VERSION = manifest.version;

/** The version of Codex that this package was made for. */
export const CODEX_VERSION = manifest.optionalDependencies['@openai/codex'];
