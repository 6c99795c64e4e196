import type { Config } from '../../config/config.ts';
import { SETTING_NAMES, settingMeta } from '../../config/settings.ts';
import { Redactor } from './redactor.ts';

/** A redactor that knows all secrets of the settings. */
export function redactorOf(config: Config): Redactor {
  const redactor = new Redactor({ emails: config.REDACT_EMAILS });
  for (const name of SETTING_NAMES) {
    const value: unknown = config[name];
    if (settingMeta(name).secret && typeof value === 'string') redactor.addSecret(value);
  }
  return redactor;
}
