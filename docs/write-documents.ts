import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readImports } from '../architecture/imports.ts';
import { picture } from '../architecture/picture.ts';
import { withRooms } from '../architecture/table.ts';
import { configurationPage, exampleEnvFile } from './pages/configuration-page.ts';
import { engineCallsPage } from './pages/engine-calls-page.ts';
import { errorsPage } from './pages/errors-page.ts';

const root = new URL('../', import.meta.url);
writeFileSync(new URL('docs/configuration.md', root), configurationPage());
writeFileSync(new URL('docs/engine-calls.md', root), engineCallsPage());
writeFileSync(new URL('docs/errors.md', root), errorsPage());
writeFileSync(new URL('.env.example', root), exampleEnvFile());

const architecture = new URL('docs/architecture.md', root);
writeFileSync(architecture, withRooms(readFileSync(architecture, 'utf8')));
writeFileSync(
  new URL('docs/images/rooms.svg', root),
  picture(readImports(fileURLToPath(root), 'src')),
);
