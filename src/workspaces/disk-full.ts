/** Whether standard error reports a full disk. tar reports a partial write only by its size. */
export function isDiskFull(stderr: string): boolean {
  return /no space left|quota exceeded|wrote only \d+ of \d+ bytes/i.test(stderr);
}
