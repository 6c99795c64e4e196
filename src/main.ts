#!/usr/bin/env node
import { exitCodeOf, explain, USAGE } from './cli/failure.ts';
import { VERSION } from './version.ts';

type Command = (args: string[]) => Promise<void>;

/** Commands are loaded on demand: a client waits for `stdio`. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  stdio: async () => (await import('./cli/stdio.ts')).stdio,
  token: async () => (await import('./cli/token.ts')).token,
  audit: async () => (await import('./cli/audit.ts')).audit,
  doctor: async () => (await import('./cli/doctor.ts')).doctor,
  'engine-guard': async () => (await import('./cli/engine-guard.ts')).engineGuard,
  login: async () => (await import('./cli/login.ts')).login,
  credentials: async () => (await import('./cli/credentials.ts')).credentials,
  logout: async () => (await import('./cli/logout.ts')).logout,
  serve: async () => (await import('./cli/serve.ts')).serve,
};

const args = process.argv.slice(2);

try {
  if (asksFor('--help', '-h')) console.log(USAGE);
  else if (asksFor('--version', '-v')) console.log(VERSION);
  else await run();
} catch (error) {
  console.error(explain(error));
  process.exitCode = exitCodeOf(error);
}

async function run(): Promise<void> {
  const [name = '', ...rest] = args;
  const named = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (named) return (await named())(rest);
  const { serve } = await import('./cli/serve.ts');
  return serve(args);
}

function asksFor(...names: string[]): boolean {
  return args.some((arg) => names.includes(arg));
}
