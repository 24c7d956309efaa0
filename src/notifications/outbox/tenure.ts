import { setTimeout as delay } from 'node:timers/promises'
import { Lease, type LeaseTiming, SilenceWatch } from '../../core/coordination/lease.ts'
import type { Held, SharedState } from '../../core/coordination/shared-state.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { newMark, stateOf } from '../../lib/process-identity.ts'
import { NO_OUTBOX_YET, type OutboxState, outboxState } from './outbox-state.ts'

export const TENURE_TIMING: LeaseTiming = { leaseMs: 20_000, beatMs: 5_000 }

const LOOK_MS = 1_000

/** Another process has taken this one's place. */
export class DispatcherReplaced extends Error {
  override readonly name = 'DispatcherReplaced'
}

/** The right to deliver: of all processes that share the storage one has it. Every change of the state is a compare-and-swap, so a
 *  process that was replaced changes nothing any more. */
export class OutboxTenure {
  readonly #shared: SharedState<OutboxState>
  readonly #lease: Lease<OutboxState>
  #state: OutboxState

  private constructor(shared: SharedState<OutboxState>, lease: Lease<OutboxState>, state: OutboxState) {
    this.#shared = shared
    this.#lease = lease
    this.#state = state
  }

  /** Waits until nobody else delivers: until whoever did has ended, or has been silent for as long as a lease.
   *  @throws StorageError UNSUPPORTED if the storage has no compare-and-swap; the signal's reason */
  static async begin(
    storage: Pick<StorageDriver, 'getState' | 'swapState'>,
    { timing = TENURE_TIMING, signal }: { timing?: LeaseTiming; signal: AbortSignal },
  ): Promise<OutboxTenure> {
    const shared = outboxState(storage)
    const lease = new Lease<OutboxState>(timing, (previous) =>
      previous === undefined ? acquire(shared, { timing, signal }) : beat(shared, previous),
    )
    await lease.begun
    return new OutboxTenure(shared, lease, await lease.change(async (held) => held))
  }

  get isHeld(): boolean {
    return this.#lease.isHeld
  }

  get state(): OutboxState {
    return this.#state
  }

  /** @throws DispatcherReplaced */
  async change(next: (state: OutboxState) => OutboxState): Promise<void> {
    this.#state = await this.#lease.change(({ state, version }) => swap(this.#shared, next(state), version))
  }

  /** Lets another process begin at once. */
  async end(): Promise<void> {
    const { state, version } = await this.#lease.end()
    await this.#shared.swap({ ...state, holder: undefined }, version)
  }
}

async function acquire(
  shared: SharedState<OutboxState>,
  { timing, signal }: { timing: LeaseTiming; signal: AbortSignal },
): Promise<Held<OutboxState>> {
  const silence = new SilenceWatch()
  for (;;) {
    signal.throwIfAborted()
    const found = await shared.get()
    const last = found?.state ?? NO_OUTBOX_YET
    const isFree =
      found === undefined ||
      last.holder === undefined ||
      stateOf(last.holder) === 'gone' ||
      silence.watchedMs(found.version) > timing.leaseMs
    if (isFree) {
      const epoch = last.epoch + 1
      const epochs = [...last.epochs, { epoch, from: last.next }]
      const state = { ...last, epoch, epochs, holder: newMark(), beat: 0 }
      const version = await shared.swap(state, found?.version)
      if (version !== undefined) return { state, version }
      continue
    }
    await delay(Math.min(LOOK_MS, timing.beatMs), undefined, { signal })
  }
}

function beat(
  shared: SharedState<OutboxState>,
  { state, version }: Held<OutboxState>,
): Promise<Held<OutboxState>> {
  return swap(shared, { ...state, beat: state.beat + 1 }, version)
}

async function swap(
  shared: SharedState<OutboxState>,
  state: OutboxState,
  expected: string,
): Promise<Held<OutboxState>> {
  const version = await shared.swap(state, expected)
  if (version === undefined) throw new DispatcherReplaced('another process delivers the events')
  return { state, version }
}
