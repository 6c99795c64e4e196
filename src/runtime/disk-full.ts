/** How programs and engines report a full disk; tar reports a partial write only by its size. */
export const DISK_FULL = /no space left on device|disk quota exceeded|wrote only \d+ of \d+ bytes/i;
