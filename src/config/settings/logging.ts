import { z } from 'zod';
import { setting } from '../setting.ts';

export const loggingSettings = {
  LOG_LEVEL: setting(
    z
      .string()
      .toLowerCase()
      .transform((level) => (level === 'warning' ? 'warn' : level))
      .pipe(z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']))
      .default('info'),
    {
      group: 'Logging',
      description:
        'Least severe level of the log, in upper or lower case. Logs are JSON lines on stderr.',
      allowed: 'trace, debug, info, warn, error, fatal or silent',
    },
  ),
};
