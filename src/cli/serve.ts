import { parseArgs } from 'node:util';
import closeWithGrace from 'close-with-grace';
import { redactorOf } from '../audit/redaction/redactor-of.ts';
import { startApp } from '../server/app.ts';
import { loadConfig } from '../server/load-config.ts';
import { VERSION } from '../version.ts';
import { logToStderr, SHUTDOWN_LIMIT_MS } from './process.ts';

/** Serves clients over HTTP until a signal. */
export async function serve(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: 'string' },
      host: { type: 'string' },
      'env-file': { type: 'string', default: '.env' },
    },
  });
  const environment = {
    ...process.env,
    ...(values.port !== undefined && { MCP_PORT: values.port }),
    ...(values.host !== undefined && { MCP_HOST: values.host }),
  };
  const config = loadConfig(environment, values['env-file']);
  const redactor = redactorOf(config);
  const log = logToStderr(config, redactor);
  const starting = startApp({ config, redactor, log, version: VERSION });
  // Before the start: PID 1 of a container ignores signals without a handler.
  const grace = closeWithGrace({ delay: SHUTDOWN_LIMIT_MS, logger: false }, async (reason) => {
    if (reason.err) log.fatal({ err: reason.err }, 'Stopping after an unexpected failure');
    else log.info({ signal: reason.signal }, 'Stopping');
    await (await starting).close();
  });
  try {
    const app = await starting;
    log.info({ url: app.url, version: VERSION }, 'Listening');
  } catch (error) {
    grace.uninstall();
    throw error;
  }
}
