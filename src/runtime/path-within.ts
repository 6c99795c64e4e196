import path from 'node:path';

/** Whether an absolute path equals `root` or is below it, without resolving links. */
export function isWithin(root: string, inner: string): boolean {
  const relative = path.relative(root, inner);
  return relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}
