import path from 'node:path';
import { readImports } from './imports.ts';
import { findFaults } from './walls.ts';

const imports = readImports(path.join(import.meta.dirname, '..'), 'src');
const faults = findFaults(imports);
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
console.log(`${imports.length} imports, none up, no circle.`);
