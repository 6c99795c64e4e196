import { AppError } from '../errors.ts';
import { may, type Permission, type Principal } from './principal.ts';

const DEEDS: Readonly<Record<Permission, string>> = {
  read: 'see agents and turns',
  work: 'have agents work',
  approve: 'decide on approvals',
  administer: 'administer the server',
};

/** Throws `forbidden` where no role of the caller allows something. */
export function demand(principal: Principal, permission: Permission): void {
  if (may(principal, permission)) return;
  const roles = principal.roles.join(', ') || 'none';
  throw new AppError(
    'forbidden',
    `Your roles (${roles}) do not allow you to ${DEEDS[permission]}.`,
  );
}
