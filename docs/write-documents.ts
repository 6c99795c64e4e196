import { writeFileSync } from 'node:fs';
import { configurationPage, exampleEnvFile } from '../src/config/config-documents.ts';
import { errorsPage } from '../src/errors-document.ts';
import { engineCallsPage } from '../src/runtime/engine-guard/calls-document.ts';

const root = new URL('../', import.meta.url);
writeFileSync(new URL('docs/configuration.md', root), configurationPage());
writeFileSync(new URL('docs/engine-calls.md', root), engineCallsPage());
writeFileSync(new URL('docs/errors.md', root), errorsPage());
writeFileSync(new URL('.env.example', root), exampleEnvFile());
