import type { Logger } from 'pino';
import type { Config } from '../../config/config.ts';
import type { AgentId } from '../../identity/agent-id.ts';
import { Dialer, type DialerOptions } from './dialer.ts';
import { EgressLog } from './egress-log.ts';
import { type EgressDenial, EgressProxy } from './egress-proxy.ts';
import type { EgressRecord } from './egress-record.ts';
import { EgressRules } from './egress-rules.ts';
import type { EgressStore } from './egress-store.ts';
import { GitForwarder } from './git-forwarder.ts';
import { ReachableAddresses } from './reachable-addresses.ts';

type EgressConfig = Pick<
  Config,
  | 'EGRESS_ALLOW'
  | 'EGRESS_ALLOW_PRIVATE'
  | 'EGRESS_LOG_KEPT'
  | 'EGRESS_IDLE_TIMEOUT'
  | 'EGRESS_HOURLY_LIMIT'
  | 'MAX_EGRESS_CONNECTIONS'
>;

export type EgressOptions = {
  config: EgressConfig;
  store: EgressStore;
  onDenied: (denial: EgressDenial) => void;
  /** Called when a connection ends or is denied. */
  onRecord?: (record: EgressRecord) => void;
  /** Replaces how names are resolved and connections are made. */
  dialer?: Partial<DialerOptions>;
  log: Logger;
};

/** Egress of agents to everything but the model. */
export type Egress = {
  rules: EgressRules;
  proxy: EgressProxy;
  git: GitForwarder;
  /** Open connections of an agent, then ended ones, each the newest first. */
  connections(agentId: AgentId, limit: number): ListedConnection[];
  /** Cuts open connections and writes their records. */
  close(): void;
};

export type ListedConnection = EgressRecord & { open: boolean };

/** Throws `invalid_input` for rules and ranges that can't be used. */
export function buildEgress(options: EgressOptions): Egress {
  const { config, store, onDenied, onRecord, dialer, log } = options;
  const rules = new EgressRules(config.EGRESS_ALLOW, store);
  const records = new EgressLog({ store, kept: config.EGRESS_LOG_KEPT, log });
  const reachable = new ReachableAddresses(config.EGRESS_ALLOW_PRIVATE);
  const proxy = new EgressProxy({
    rules,
    dialer: new Dialer({ reachable, ...dialer }),
    limits: {
      connections: config.MAX_EGRESS_CONNECTIONS,
      idleMs: config.EGRESS_IDLE_TIMEOUT * 1000,
      hourlyBytes: config.EGRESS_HOURLY_LIMIT,
    },
    onRecord: (record) => {
      records.add(record);
      onRecord?.(record);
    },
    onDenied,
    log,
  });
  return {
    rules,
    proxy,
    git: new GitForwarder(proxy),
    connections(agentId, limit) {
      const open = proxy.openOf(agentId).map((record) => ({ ...record, open: true }));
      const ended = records.list(agentId, limit).map((record) => ({ ...record, open: false }));
      return [...open, ...ended].slice(0, limit);
    },
    close() {
      proxy.close();
      records.close();
    },
  };
}
