import type { AgentName } from './agent-id.ts';

export const ROLES = ['viewer', 'developer', 'approver', 'admin'] as const;
export type Role = (typeof ROLES)[number];

export type Permission =
  /** See one's own agents, turns and events. */
  | 'read'
  /** Have agents work, and end their work. */
  | 'work'
  /** Decide on what agents of others in the tenant ask for. */
  | 'approve'
  /** See and change everything of the tenant. */
  | 'administer';

const PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  viewer: ['read'],
  developer: ['read', 'work'],
  approver: ['read', 'approve'],
  admin: ['read', 'work', 'approve', 'administer'],
};

/**
 * Who calls: what a token, a JWT or the machine's own user stands for. Roles and agents are looked up
 * each time they are read: whoever keeps a principal has its rights of now.
 */
export type Principal = {
  /** Unique in the server and the same for ever; agents, turns and costs belong to it. */
  id: string;
  /** Administrators and approvers act within theirs. */
  tenant: string;
  roles: readonly Role[];
  /** The only agents it may use; any of its own if absent. */
  agents?: readonly AgentName[] | undefined;
};

/** A principal that has the roles and agents which `look` returns at each time, and none without. */
export function livePrincipal(
  { id, tenant }: Principal,
  look: () => Pick<Principal, 'roles' | 'agents'> | undefined,
): Principal {
  return {
    id,
    tenant,
    get roles() {
      return look()?.roles ?? [];
    },
    get agents() {
      const rights = look();
      return rights ? rights.agents : [];
    },
  };
}

/** Whoever reaches a server that asks for no token. */
export const LOCAL: Principal = { id: 'local', tenant: 'default', roles: ['admin'] };

/**
 * The id of a principal by its name in its tenant, such as `ann`, or `lab/ann` in another tenant than
 * the default one: the same name in two tenants is two principals.
 */
export function principalId(name: string, tenant: string): string {
  const [own, of] = [name, tenant].map((part) => part.replace(/[%/]/g, encodeURIComponent));
  return tenant === LOCAL.tenant ? `${own}` : `${of}/${own}`;
}

export function may(principal: Principal, permission: Permission): boolean {
  return principal.roles.some((role) => PERMISSIONS[role].includes(permission));
}
