import type { Principal } from '../identity/principal.ts';
import { type AgentServices, CallerAgents } from './caller-agents.ts';
import { type ApprovalServices, CallerApprovals } from './caller-approvals.ts';
import { type AuditServices, CallerAudit } from './caller-audit.ts';
import { CallerEgress, type EgressServices } from './caller-egress.ts';
import { CallerFiles, type FileServices } from './caller-files.ts';
import { CallerLifecycle, type LifecycleServices } from './caller-lifecycle.ts';
import { CallerSessions, type SessionServices } from './caller-sessions.ts';
import { CallerSettings, type SettingsServices } from './caller-settings.ts';
import { CallerSnapshots, type SnapshotServices } from './caller-snapshots.ts';
import { CallerTurns, type TurnServices } from './caller-turns.ts';
import type { ViewServices } from './caller-view.ts';
import { CallerWorkspaces, type WorkspaceServices } from './caller-workspaces.ts';
import { CallerCandidates, type CandidateServices } from './changes/caller-candidates.ts';
import { CallerChanges, type ChangeServices } from './changes/caller-changes.ts';
import { Ownerships } from './ownership.ts';

type Services = AgentServices &
  ApprovalServices &
  AuditServices &
  CandidateServices &
  ChangeServices &
  EgressServices &
  FileServices &
  LifecycleServices &
  SessionServices &
  SettingsServices &
  SnapshotServices &
  TurnServices &
  ViewServices &
  WorkspaceServices;

/**
 * What each caller sees and may do. A view checks the rights of its caller, takes and returns the
 * caller's names of agents, and is the only way of tools and routes to the rooms below.
 */
export class CallerViews {
  readonly #services: Services;

  constructor(services: Omit<Services, 'ownerships'>) {
    this.#services = { ...services, ownerships: new Ownerships(services.store.agents) };
  }

  agents(principal: Principal): CallerAgents {
    return new CallerAgents(this.#services, principal);
  }

  lifecycle(principal: Principal): CallerLifecycle {
    return new CallerLifecycle(this.#services, principal);
  }

  sessions(principal: Principal): CallerSessions {
    return new CallerSessions(this.#services, principal);
  }

  turns(principal: Principal): CallerTurns {
    return new CallerTurns(this.#services, principal);
  }

  workspaces(principal: Principal): CallerWorkspaces {
    return new CallerWorkspaces(this.#services, principal);
  }

  changes(principal: Principal): CallerChanges {
    return new CallerChanges(this.#services, principal);
  }

  candidates(principal: Principal): CallerCandidates {
    return new CallerCandidates(this.#services, principal);
  }

  settings(principal: Principal): CallerSettings {
    return new CallerSettings(this.#services, principal);
  }

  files(principal: Principal): CallerFiles {
    return new CallerFiles(this.#services, principal);
  }

  snapshots(principal: Principal): CallerSnapshots {
    return new CallerSnapshots(this.#services, principal);
  }

  egress(principal: Principal): CallerEgress {
    return new CallerEgress(this.#services, principal);
  }

  audit(principal: Principal): CallerAudit {
    return new CallerAudit(this.#services, principal);
  }

  approvals(principal: Principal): CallerApprovals {
    return new CallerApprovals(this.#services, principal);
  }
}
