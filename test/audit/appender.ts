import { pino } from 'pino';
import { Redactor } from '../../src/audit/redaction/redactor.ts';
import { SqliteAuditLog } from '../../src/audit/sqlite-audit-log.ts';

/** A process that appends to the audit of a directory until it is killed, and says how much it has. */
const [directory = ''] = process.argv.slice(2);
const log = new SqliteAuditLog({
  directory,
  redactor: new Redactor(),
  config: { AUDIT_RETENTION_DAYS: 0, AUDIT_REQUIRED: false },
  log: pino({ level: 'silent' }),
});
let count = 0;
setInterval(() => {
  for (let each = 0; each < 20; each += 1) {
    count += 1;
    log.append({ type: 'call', agentId: `agent-${count % 3}`, data: { count } });
  }
  process.stdout.write(`${count}\n`);
}, 10);
