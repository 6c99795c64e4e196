import { parseArgs } from 'node:util';
import closeWithGrace from 'close-with-grace';
import { Redactor } from '../audit/redaction/redactor.ts';
import { loadSettings } from '../config/config.ts';
import { GUARD_SETTINGS } from '../runtime/engine-guard/engine-guard.ts';
import { startEngineGuard } from '../runtime/engine-guard/guard-server.ts';
import { UsageError } from './failure.ts';
import { logToStderr, SHUTDOWN_LIMIT_MS } from './process.ts';

/** Runs the engine guard until a signal. */
export async function engineGuard(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      socket: { type: 'string', default: '/var/run/docker.sock' },
      listen: { type: 'string', default: 'tcp://127.0.0.1:2375' },
      remember: { type: 'string' },
      'env-file': { type: 'string', default: '.env' },
    },
  });
  const { socket, listen, remember } = values;
  if (!/^(unix:\/\/\/.|tcp:\/\/.+:\d+$)/.test(listen)) {
    throw new UsageError(`--listen is "${listen}". Allowed: unix:///path or tcp://host:port.`);
  }
  const config = loadSettings([...GUARD_SETTINGS, 'LOG_LEVEL'], process.env, values['env-file']);
  const log = logToStderr(config, new Redactor({ emails: false }));
  const guard = await startEngineGuard({ socket, listen, remember, config, log });
  log.info({ url: guard.url, socket }, 'Guarding the engine');
  closeWithGrace({ delay: SHUTDOWN_LIMIT_MS, logger: false }, async ({ signal, err }) => {
    if (err) log.fatal({ err }, 'Stopping after an unexpected failure');
    else log.info({ signal }, 'Stopping');
    await guard[Symbol.asyncDispose]();
  });
}
