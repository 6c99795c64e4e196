import path from 'node:path';

/** Whether an absolute path is another one or lies below it, by their names alone. */
export function isWithin(root: string, inner: string): boolean {
  const relative = path.relative(root, inner);
  return relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}
