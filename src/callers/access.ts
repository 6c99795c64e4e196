import type { AgentForks } from '../agents/agent-forks.ts';
import type { AgentManager } from '../agents/agent-manager.ts';
import type { HostDirectories } from '../agents/host/host-directories.ts';
import type { ThreadStore } from '../agents/threads/thread-store.ts';
import type { Approvals } from '../approvals/approvals.ts';
import type { Principal } from '../identity/principal.ts';
import type { BackupStore } from '../snapshots/snapshot-store.ts';
import type { Backups } from '../snapshots/snapshots.ts';
import type { BetweenTurns } from '../turns/admission/exclusive-access.ts';
import type { TurnService } from '../turns/turn-service.ts';
import { CallerAgents } from './caller-agents.ts';
import { CallerApprovals } from './caller-approvals.ts';
import { CallerBackups } from './caller-backups.ts';
import { CallerFiles, type TransferServices } from './caller-files.ts';
import { CallerSettings, type SettingsOptions } from './caller-settings.ts';
import { CallerTurns } from './caller-turns.ts';
import { CallerWorkspaces } from './caller-workspaces.ts';
import { Ownerships } from './ownership.ts';

type AccessOptions = SettingsOptions & {
  store: { threads: ThreadStore; backups: BackupStore };
  agents: AgentManager;
  turns: TurnService;
  betweenTurns: BetweenTurns;
  forks: AgentForks;
  approvals: Approvals;
  transfers: TransferServices;
  directories: HostDirectories;
  backups: Backups;
};

/** The way of callers to agents, their settings, turns and files, and approvals: to each only what is its own and what its roles allow. */
export class Access {
  readonly #options: AccessOptions & { ownerships: Ownerships };

  constructor(options: AccessOptions) {
    this.#options = { ...options, ownerships: new Ownerships(options.store.agents) };
  }

  agents(principal: Principal): CallerAgents {
    const { events } = this.#options.agents;
    return new CallerAgents({ ...this.#options, events }, principal);
  }

  turns(principal: Principal): CallerTurns {
    return new CallerTurns(this.#options, principal);
  }

  workspaces(principal: Principal): CallerWorkspaces {
    return new CallerWorkspaces(this.#options, principal);
  }

  settings(principal: Principal): CallerSettings {
    return new CallerSettings(this.#options, principal);
  }

  files(principal: Principal): CallerFiles {
    const { transfers } = this.#options;
    return new CallerFiles(transfers, this.workspaces(principal), principal);
  }

  backups(principal: Principal): CallerBackups {
    const { audit } = this.#options.transfers;
    const ways = { workspaces: this.workspaces(principal), settings: this.settings(principal) };
    return new CallerBackups({ ...this.#options, audit }, ways, principal);
  }

  approvals(principal: Principal): CallerApprovals {
    return new CallerApprovals(this.#options, principal);
  }
}
