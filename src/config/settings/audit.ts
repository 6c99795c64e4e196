import { flag, setting, wholeNumber } from '../setting.ts';

export const auditSettings = {
  AUDIT_RETENTION_DAYS: setting(wholeNumber(0, 36_500).default(365), {
    group: 'Audit',
    description: 'Days that audit records are kept. 0: for ever.',
    allowed: 'a whole number from 0 to 36500',
  }),
  AUDIT_REQUIRED: setting(flag().default(false), {
    group: 'Audit',
    description:
      'Refuse calls while the audit cannot be written, and write each record at once. `false`: calls go on, and the server counts the records that it could not write.',
    allowed: 'true or false',
  }),
  REDACT_EMAILS: setting(flag().default(false), {
    group: 'Audit',
    description:
      'Redact e-mail addresses, in addition to secrets, in the audit, turn events and logs.',
    allowed: 'true or false',
  }),
};
