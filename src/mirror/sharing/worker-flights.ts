import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Locks } from '../../core/coordination/locks.ts'
import { makePrivateFolder, removeIfEmpty } from '../../lib/files/private-folder.ts'
import { FlightClaim, type SharedFlight } from './flight-claim.ts'

/** Lets the workers of one supervisor fetch each blob once. */
export class WorkerFlights {
  readonly locks: Locks
  readonly #folder: string

  private constructor(locks: Locks, folder: string) {
    this.locks = locks
    this.#folder = folder
  }

  /** @param supervisorPid the parent of all workers, after which their folder of sockets is named
   *  @throws Error if the folder can't be made, or others may enter it */
  static async open(locks: Locks, supervisorPid = process.ppid): Promise<WorkerFlights> {
    const folder = join(tmpdir(), `entrepot-flights-${supervisorPid}`)
    await makePrivateFolder(folder)
    return new WorkerFlights(locks, folder)
  }

  claim(key: string, flight: () => SharedFlight): FlightClaim {
    return new FlightClaim({ locks: this.locks, folder: this.#folder, key, flight })
  }

  /** The last worker removes the folder. */
  async close(): Promise<void> {
    await removeIfEmpty(this.#folder)
  }
}
