/** The port to mutual exclusion among the processes of one registry: a name has at most one holder. */
export interface Locks {
  /** Acquires a lock without waiting; false if it is held. The locks of a process that dies are released.
   *  @throws RegistryError UNAVAILABLE if the other processes can't be reached */
  acquire(name: string): Promise<boolean>
  /** Resolves once others can acquire it. */
  release(name: string): Promise<void>
}
