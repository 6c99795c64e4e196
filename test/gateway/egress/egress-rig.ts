import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { newAgent } from '../../../src/agents/agent.ts';
import type { DialerOptions } from '../../../src/gateway/egress/dialer.ts';
import { buildEgress, type Egress } from '../../../src/gateway/egress/egress.ts';
import type { EgressDenial } from '../../../src/gateway/egress/egress-proxy.ts';
import { loadConfig } from '../../../src/server/load-config.ts';
import { SqliteStore } from '../../../src/store/sqlite/sqlite-store.ts';

/** What stand-in hosts of tests resolve to. It is public, and nobody is ever connected to it. */
export const PUBLIC_ADDRESS = '93.184.216.34';

export type EgressRigOptions = {
  environment?: Record<string, string>;
  dialer?: Partial<DialerOptions>;
};

export type EgressRig = Disposable & {
  egress: Egress;
  store: SqliteStore;
  denied: EgressDenial[];
};

/** The egress of a server that knows `agent-1`, over a database of its own. */
export function openEgress({ environment = {}, dialer }: EgressRigOptions = {}): EgressRig {
  const dataDir = fs.mkdtempSync(path.join(os.tmpdir(), 'codex-mcp-egress-'));
  const store = SqliteStore.open(dataDir);
  store.agents.put(newAgent('agent-1'));
  const denied: EgressDenial[] = [];
  const egress = buildEgress({
    config: loadConfig(environment),
    store: store.egress,
    onDenied: (denial) => denied.push(denial),
    ...(dialer && { dialer }),
    log: pino({ level: 'silent' }),
  });
  return {
    egress,
    store,
    denied,
    [Symbol.dispose]() {
      egress.close();
      store.close();
      fs.rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Has every name at the public address, and a server on loopback stand for it. */
export function standIn(port: number): Partial<DialerOptions> {
  return {
    resolve: async () => [PUBLIC_ADDRESS],
    connect: () => net.connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true }),
  };
}
