/** Another OCI runtime to try all of it in, such as gVisor's `runsc`. */
export const runtime = process.env.CONTAINER_RUNTIME;

/** What gVisor's own processes need beside the agent's: both count in the container. */
export const GVISOR_ROOM = { CONTAINER_PIDS_LIMIT: '2048', CONTAINER_MEMORY_LIMIT: '2048m' };
