/** A system call by number, as no program of the image makes them: prints the name of its error. */
export const syscall = (
  numbers: { x86_64: number; aarch64: number },
  ...args: (number | string)[]
) =>
  `python3 -c 'import ctypes, errno, platform
libc = ctypes.CDLL(None, use_errno=True)
number = ${JSON.stringify(numbers)}[platform.machine()]
buffer = ctypes.create_string_buffer(256)
done = libc.syscall(number, ${args.join(', ')})
print("returned", done, errno.errorcode.get(ctypes.get_errno()))'`;
export const REFUSED_CALL = /returned -1 (EPERM|EACCES|ENOSYS)/;

const MOUNT = { x86_64: 165, aarch64: 40 };
const REMOUNT = 32;

/** The call itself: the program of that name may refuse on its own. */
export const mount = {
  memory: syscall(MOUNT, 'b"none"', 'b"/tmp"', 'b"tmpfs"', 0, 0),
  rootAgain: syscall(MOUNT, 'b"none"', 'b"/"', 0, REMOUNT, 0),
};

export const socket = (family: number, kind: string) =>
  `python3 -c 'import socket; socket.socket(${family}, socket.${kind}); print("opened")'`;

/** Prints what is at each path, or why it is not seen. Not `ls`: older gVisors lack its statx. */
export const look = (paths: string) => `python3 -c 'import os, sys
for path in sys.argv[1:]:
    try: print(path, os.listdir(path) if os.path.isdir(path) else os.stat(path))
    except OSError as error: print(path, error.strerror)' ${paths}`;
