#!/usr/bin/env node
import { exitCodeOf, explain, USAGE } from './cli/failure.ts';
import { VERSION } from './version.ts';

const args = process.argv.slice(2);

try {
  if (asksFor('--help', '-h')) console.log(USAGE);
  else if (asksFor('--version', '-v')) console.log(VERSION);
  else await run();
} catch (error) {
  console.error(explain(error));
  process.exitCode = exitCodeOf(error);
}

/** Each command loads only what it needs: a client waits for `stdio`. */
async function run(): Promise<void> {
  if (args[0] === 'stdio') {
    const { stdio } = await import('./cli/stdio.ts');
    return stdio(args.slice(1));
  }
  if (args[0] === 'doctor') {
    const { doctor } = await import('./cli/doctor.ts');
    return doctor(args.slice(1));
  }
  if (args[0] === 'token') {
    const { token } = await import('./cli/token.ts');
    return token(args.slice(1));
  }
  if (args[0] === 'audit') {
    const { audit } = await import('./cli/audit.ts');
    return audit(args.slice(1));
  }
  const { serve } = await import('./cli/serve.ts');
  return serve(args[0] === 'serve' ? args.slice(1) : args);
}

function asksFor(...names: string[]): boolean {
  return args.some((arg) => names.includes(arg));
}
