import type { Attempt } from './attempt.ts';
import { look, mount, REFUSED_CALL, socket, syscall } from './probes.ts';

const READ_ONLY = /Read-only file system|Permission denied|Operation not permitted/;
const MISSING = /No such file or directory/;
const NOT_PERMITTED =
  /Operation not permitted|Permission denied|must be superuser|permission denied|only root can/;

/** What the container itself keeps from its processes. */
export const WALLS: Record<string, readonly Attempt[]> = {
  'Power over the kernel': [
    { name: 'being root', command: 'id', denied: /^uid=1000\(agent\) gid=1000\(agent\)/ },
    {
      name: 'capabilities',
      command: 'grep "^Cap" /proc/self/status | cut -f 2 | uniq -c',
      denied: /^ *5 0000000000000000\n$/,
    },
    {
      name: 'new privileges',
      command: `python3 -c 'import ctypes; print(ctypes.CDLL(None).prctl(39, 0, 0, 0, 0))'; grep -E "^(NoNewPrivs|Seccomp):" /proc/self/status`,
      denied: /^1\nNoNewPrivs:\s1\nSeccomp:\s2\n$/,
    },
    {
      name: 'mount',
      command: `mount -t tmpfs none /tmp; ${mount.memory}`,
      denied: /^mount: [^\n]*must be superuser[^\n]*\n[\s\S]*returned -1 EPERM\n$/,
    },
    {
      name: 'remount of the root',
      command: `mount -o remount,rw /; ${mount.rootAgain}`,
      denied: /^mount: [^\n]*must be superuser[^\n]*\n[\s\S]*returned -1 EPERM\n$/,
    },
    {
      name: 'user namespaces',
      command: `unshare -Ur bash <<'END'
id -u
cat /etc/shadow "$HOST_FILE" && echo READ
for f in /etc/passwd /usr/bin/x; do echo evil >> $f && echo WRITTEN; done
chown 0:0 /etc/passwd && echo OWNED
date -s 2001-01-01 >/dev/null && echo SET
${mount.memory}
${mount.rootAgain}
END`,
      denied: /^unshare: [^\n]*Operation not permitted\n$/,
    },
    { name: 'network namespaces', command: 'unshare -n ip link', denied: NOT_PERMITTED },
    {
      name: 'nsenter',
      command: 'nsenter -t 1 -m -n -p id; nsenter -t 1 -n id',
      denied: /^(nsenter: [^\n]*Operation not permitted\n){2}$/,
    },
    {
      name: 'chroot',
      command: 'python3 -c \'import os; os.chroot("/tmp"); print("done")\'',
      denied: /PermissionError/,
    },
    {
      name: 'mknod',
      command:
        'for dir in /tmp /workspace; do for device in "b 8 0" "b 259 0" "c 1 1"; do mknod $dir/disk $device && head -c 16 $dir/disk | wc -c; find $dir/disk -delete 2>/dev/null; done; done',
      denied: /^(mknod: [^\n]*Operation not permitted\n){6}$/,
    },
    {
      name: 'kernel modules',
      command: syscall({ x86_64: 175, aarch64: 105 }, 'buffer', 256, 'b""'),
      denied: REFUSED_CALL,
    },
    {
      name: 'bpf',
      command: syscall({ x86_64: 321, aarch64: 280 }, 0, 'buffer', 64),
      denied: REFUSED_CALL,
    },
    {
      name: 'perf',
      command: syscall({ x86_64: 298, aarch64: 241 }, 'buffer', 0, -1, -1, 0),
      denied: REFUSED_CALL,
    },
    {
      name: 'keyrings',
      command: syscall({ x86_64: 250, aarch64: 219 }, 0, -3, 0),
      denied: REFUSED_CALL,
    },
    {
      name: 'kexec',
      command: syscall({ x86_64: 246, aarch64: 104 }, 0, 0, 'buffer', 0),
      denied: REFUSED_CALL,
    },
    {
      name: 'files by handle',
      command: syscall({ x86_64: 304, aarch64: 265 }, -100, 'buffer', 0),
      denied: REFUSED_CALL,
    },
    {
      name: 'the clock',
      command: 'date -s "2001-01-01" 2>&1',
      denied: /cannot set date/,
    },
    { name: 'the kernel log', command: 'dmesg | head -3', denied: NOT_PERMITTED },
    {
      name: 'sysrq',
      // The harmless one: it would only list the others.
      command: 'echo h > /proc/sysrq-trigger',
      denied: /Read-only file system|Permission denied|No such file/,
    },
    {
      name: 'core_pattern',
      command: 'echo "|/tmp/x" > /proc/sys/kernel/core_pattern',
      denied: READ_ONLY,
    },
    {
      name: 'cgroups',
      command:
        'touch /sys/fs/cgroup/x; for f in $(find /sys/fs/cgroup -name release_agent -o -name cgroup.procs | head -3); do echo 1 > $f; done; mkdir /sys/fs/cgroup/x && echo MADE',
      denied: /^(?!.*MADE)[\s\S]*(Read-only|Permission denied)/,
    },
    {
      name: 'setuid files',
      command:
        'cp /bin/bash /tmp/b; chmod 6755 /tmp/b; /tmp/b -p -c "id -u; id -ru"; rm /tmp/b; for p in $(find / -xdev -perm -4000 2>/dev/null); do echo "$p"; done | wc -l; echo | su root -c "echo ROOT; id" 2>&1',
      denied: /^1000\n1000\n(?![\s\S]*ROOT)/,
    },
  ],
  'Files of the host': [
    { name: 'host files', command: 'cat "$HOST_FILE"', denied: MISSING },
    {
      name: '/proc/PID/root',
      command: 'for p in /proc/[0-9]*; do cat "$p/root$HOST_FILE" "$p/cwd/../..$HOST_FILE"; done',
      denied: /^(?![\s\S]*canary)[\s\S]*(No such file|Permission denied)/,
    },
    { name: '/etc/shadow', command: 'cat /etc/shadow', denied: NOT_PERMITTED },
    {
      name: '/host, /mnt, /media',
      command: look('/mnt /media /srv /host'),
      denied: /^(\/\w+ \[\]\n){3}\/host No such file or directory\n$/,
    },
    {
      name: 'disks and memory',
      command: look('/dev/mem /dev/kmem /dev/sda /dev/vda /dev/nvme0n1 /dev/kvm /dev/fuse'),
      denied: /^([^\n]* No such file or directory\n){7}$/,
    },
    {
      name: '/proc/kcore',
      command: 'head -c 16 /proc/kcore 2>/dev/null | wc -c',
      denied: /^0\n/,
    },
    {
      name: 'links out of the workspace',
      command:
        'ln -sf "$HOST_FILE" /tmp/out; cat /tmp/out; ln /etc/passwd /workspace/hard; ln /etc/passwd /tmp/hard',
      denied: /^cat: [^\n]*No such file[\s\S]*(cross-device|Read-only|not permitted)/,
    },
    {
      name: 'the image',
      command:
        'for f in /x /usr/bin/x /etc/x /var/x /opt/codex/bin/codex /etc/codex/config.toml /usr/local/lib/codex-mcp/tunnel.mjs; do echo evil >> $f; done',
      denied: /^([^\n]*(Read-only file system|Permission denied)\n){7}/,
    },
  ],
  'Other agents and the engine': [
    {
      name: "others' processes",
      command: 'cat /proc/[0-9]*/comm | sort -u | tr "\\n" " "; ps -e -o user= | sort -u',
      denied: /^(?!.*(dockerd|containerd|runc|vitest))[\s\S]*\n?agent\n/,
    },
    {
      name: "others' volumes",
      command: look('/var/lib/docker /var/lib/docker/volumes "$DATA_DIR"'),
      denied: /^([^\n]* No such file or directory\n){3}$/,
    },
    {
      name: 'mounts of others',
      command:
        'cut -d" " -f5 /proc/self/mountinfo | grep -Ev "^/(proc|sys|dev|etc/(resolv.conf|hosts|hostname))?(/|$)" | grep -Ev "^/(tmp|var/tmp|workspace|home/agent|(usr/)?sbin/docker-init)$"; echo end',
      denied: /^end\n/,
    },
    {
      name: 'sockets of the engine',
      command: `${look('/var/run/docker.sock /run/docker.sock /run/containerd/containerd.sock')}; find / -xdev -type s 2>/dev/null; grep -o "@.*" /proc/net/unix; echo end`,
      denied: /^([^\n]* No such file or directory\n){3}end\n$/,
    },
    {
      name: 'the engine over TCP',
      command:
        'for h in 172.17.0.1 172.18.0.1 127.0.0.1 host.docker.internal; do for p in 2375 2376; do (: </dev/tcp/$h/$p) 2>&1 && echo REACHED; done; done',
      denied: /^(?![\s\S]*REACHED)[\s\S]*(unreachable|refused)/,
    },
    {
      name: 'shared memory',
      command: 'find /dev/shm -mindepth 1 | wc -l; tail -n +2 /proc/sysvipc/shm | wc -l',
      denied: /^0\n0\n$/,
    },
  ],
  'The network without the gateway': [
    {
      name: 'interfaces',
      command: 'tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d " "; tail -n +2 /proc/net/route',
      denied: /^lo\n\s*@?$/,
    },
    {
      name: 'a network of its own',
      command: `unshare -Urn bash <<'END'
tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d " "
for to in 192.0.2.1/80 169.254.169.254/80 172.17.0.1/2375; do (: </dev/tcp/$to) && echo REACHED; done
END`,
      denied: /^unshare: [^\n]*Operation not permitted\n$/,
    },
    { name: 'raw sockets', command: socket(2, 'SOCK_RAW'), denied: /Error: / },
    { name: 'packet sockets', command: socket(17, 'SOCK_RAW'), denied: /Error: / },
    {
      name: 'DNS',
      command:
        'getent hosts example.com || echo NONE; python3 -c \'import socket; socket.socket(2, 2).sendto(b"x", ("192.0.2.53", 53))\'',
      denied: /^NONE\n[\s\S]*unreachable/,
    },
    {
      name: 'a direct connection',
      command: `curl -sS -m 4 --noproxy '*' http://192.0.2.1/; curl -sS -m 4 --noproxy '*' http://169.254.169.254/; curl -sS -m 4 --noproxy '*' "http://127.0.0.1:$SERVER_PORT/tools"`,
      denied: /^(curl: \(7\)[^\n]*\n){3}/,
    },
  ],
};

/** Only engines from this version on refuse it. */
export const VSOCK_SINCE_ENGINE = 23;

/** A container without network may still reach the hypervisor of a virtual machine by it. */
export const VSOCK: Attempt = {
  name: 'vsock to the hypervisor',
  command: socket(40, 'SOCK_STREAM'),
  denied: /Error: /,
};
