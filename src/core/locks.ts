/** The port to exclusion among all processes that serve one registry together: a name has one holder at a time. */
export interface Locks {
  /** False when somebody holds the name already. Whoever is given it releases it; for a process that dies it is released.
   *  @throws RegistryError UNAVAILABLE when it can't be found out */
  acquire(name: string): Promise<boolean>
  /** Fulfilled once others can have it. */
  release(name: string): Promise<void>
}
