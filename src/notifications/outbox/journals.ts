import type { Log } from '../../core/log.ts'
import type { Registry } from '../../core/registry.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { stateOf } from '../../lib/process-identity.ts'
import type { RegistryEvent } from '../event.ts'
import { hasHappened } from './evidence.ts'
import { JOURNAL_REUSE_MS } from './journal.ts'
import { type JournalFile, type JournalPosition, parseJournalFile } from './journal-files.ts'
import { type JournalPart, JournalReading } from './journal-reading.ts'
import type { JournalRecord } from './journal-record.ts'
import type { Outcome } from './outbox.ts'
import { JOURNAL } from './paths.ts'
import { type SettlingTime, UnsettledChanges } from './unsettled-changes.ts'

export interface JournalsParts {
  readonly storage: Pick<StorageDriver, 'scan' | 'list' | 'get' | 'put' | 'delete'>
  /** Reads past all caches. */
  readonly registry: Registry
  readonly log: Log
  /** How long a process may be silent with a change under way before it is taken for dead. */
  readonly leaseMs: number
  /** Default: a quarter of an hour. */
  readonly settling?: SettlingTime
}

/** How many files are read in a round, how many bytes about, and how many files side by side. */
const ROUND_FILES = 1_000
const ROUND_BYTES = 4 * 1024 * 1024
const READ_CONCURRENCY = 16

/** A journal of which nothing was heard for so long is removed. Its process begins another one long before (`JOURNAL_REUSE_MS`). */
const FORGOTTEN_MS = 2 * JOURNAL_REUSE_MS

/** A change in a journal that is not in the log yet. */
interface OpenChange {
  readonly event: RegistryEvent
  readonly journal: JournalReading
  readonly part: JournalPart
  /** By the storage's clock, never before that of an earlier batch of the same journal. */
  readonly at: number
  /** By the clock of its process. */
  readonly moment: number
  /** Grows with each change that is read. */
  readonly order: number
  readonly round: number
  outcome: Outcome | undefined
}

/** Reads what all processes have announced and decides what is told, in which order. A change waits for its outcome; only those of the
 *  same repository that were announced later wait with it. */
export class Journals {
  readonly #parts: JournalsParts
  readonly #journals = new Map<string, JournalReading>()
  readonly #byRepository = new Map<string, OpenChange[]>()
  readonly #byId = new Map<string, OpenChange>()
  readonly #unsettled: UnsettledChanges
  #round = 0
  #isMore = false
  #hasNew = false
  #order = 0

  /** @param merged how far each journal was read by whoever did so before */
  constructor(parts: JournalsParts, merged: Readonly<Record<string, JournalPosition>>) {
    this.#parts = parts
    this.#unsettled = new UnsettledChanges({ ...parts, timing: parts.settling })
    for (const [mark, position] of Object.entries(merged))
      this.#journals.set(mark, new JournalReading(mark, position))
  }

  /** True if a change waits only for another look, or files for their turn. */
  get needsLook(): boolean {
    return this.#isMore || this.#hasNew
  }

  /** Looks once.
   *  @returns what is to be told, in order. A change is told after a second look only: what another process has acknowledged before
   *    it was announced is found by then. */
  async look(): Promise<RegistryEvent[]> {
    this.#round++
    const lookedAt = performance.now()
    // Whatever these have written is found by this look.
    const ended = new Set([...this.#journals.keys()].filter((mark) => stateOf(mark) === 'gone'))
    const unread = this.#readable(await this.#list())
    const found = firstOf(unread)
    this.#isMore ||= found.length < unread.length
    this.#hasNew = found.length > 0
    for await (const { file, content } of mapInOrder(found, {
      concurrency: READ_CONCURRENCY,
      work: async (file) => ({ file, content: await this.#parts.storage.get(file.path) }),
    }))
      this.#take(file, content)
    for (const journal of this.#journals.values()) {
      journal.hasEnded = ended.has(journal.mark)
      journal.isGone = journal.hasEnded || this.#isSilent(journal, lookedAt)
    }
    const decided = await this.#decided()
    return [...decided, ...(await this.#unsettled.arrived())]
  }

  /** A process that has written nothing for a lease, with a change under way, takes itself for dead as well. Counted from a look that
   *  shows nothing new of it, for it may be this process that was slow; and it may go on later. */
  #isSilent({ hasNew, hasOpen, heardAt }: JournalReading, lookedAt: number): boolean {
    return !hasNew && hasOpen && lookedAt - heardAt > this.#parts.leaseMs
  }

  /** How far each journal is in the log, once what `look` has returned is. */
  get merged(): Record<string, JournalPosition> {
    return Object.fromEntries([...this.#journals.values()].map(({ mark, merged }) => [mark, merged]))
  }

  /** Removes the files that are in the log. */
  async removeMerged(): Promise<void> {
    await this.#unsettled.removeDone()
    for (const journal of [...this.#journals.values()]) {
      for (const path of journal.takeMerged()) await this.#parts.storage.delete(path, { durable: false })
      const isForgotten = performance.now() - journal.heardAt > FORGOTTEN_MS
      const isLeft = (journal.hasEnded || isForgotten) && !journal.hasNew
      if (isLeft && !journal.hasOpen) {
        await this.#parts.storage.delete(`${JOURNAL}/${journal.mark}`, { durable: false })
        this.#journals.delete(journal.mark)
      }
    }
  }

  /** The files of each journal. */
  async #list(): Promise<Map<string, JournalFile[]>> {
    const listed = new Map<string, JournalFile[]>()
    for await (const page of this.#parts.storage.scan(JOURNAL)) {
      for (const scanned of page) {
        const file = parseJournalFile(scanned)
        if (file === undefined) continue
        const files = listed.get(file.mark)
        if (files === undefined) listed.set(file.mark, [file])
        else files.push(file)
      }
    }
    return listed
  }

  /** Those that can be read now, the oldest first. */
  #readable(listed: ReadonlyMap<string, JournalFile[]>): JournalFile[] {
    for (const mark of listed.keys()) this.#journalOf(mark)
    const found = [...this.#journals].map(([mark, journal]) => journal.look(listed.get(mark) ?? []))
    this.#isMore = found.some(({ isMore }) => isMore)
    return found
      .flatMap(({ readable }) => readable)
      .sort((one, other) => one.at - other.at || one.number - other.number)
  }

  #take(file: JournalFile, content: Uint8Array): void {
    const journal = this.#journalOf(file.mark)
    const { part, batches } = journal.take(file, content)
    for (const { at, records } of batches)
      for (const record of records) this.#note(record, { journal, part, at })
  }

  #note(record: JournalRecord, place: Pick<OpenChange, 'journal' | 'part' | 'at'>): void {
    if ('ended' in record) {
      const change = this.#byId.get(record.ended)
      if (change !== undefined) change.outcome = record.outcome
    } else if ('intent' in record)
      this.#add(record.intent, { ...place, outcome: undefined, moment: record.moment })
    else if ('happened' in record)
      this.#add(record.happened, { ...place, outcome: 'happened', moment: record.moment })
  }

  #add(
    event: RegistryEvent,
    place: Pick<OpenChange, 'journal' | 'part' | 'at' | 'outcome' | 'moment'>,
  ): void {
    const known = this.#byId.get(event.id)
    if (known !== undefined) {
      known.outcome = place.outcome ?? known.outcome
      return
    }
    const change: OpenChange = { event, ...place, order: this.#order++, round: this.#round }
    place.part.open++
    this.#byId.set(event.id, change)
    const { repository } = event.target
    const changes = this.#byRepository.get(repository)
    if (changes === undefined) this.#byRepository.set(repository, [change])
    else changes.splice(changes.findLastIndex((other) => isInOrder(other, change)) + 1, 0, change)
  }

  async #decided(): Promise<RegistryEvent[]> {
    const decided: OpenChange[] = []
    for (const [repository, changes] of [...this.#byRepository]) {
      let count = 0
      for (const change of changes) {
        if (change.round === this.#round) break
        const isTold = await this.#isTold(change, changes.slice(count + 1))
        if (isTold === undefined) break
        count++
        if (isTold) {
          decided.push(change)
          this.#unsettled.supersede(change.event)
        }
        this.#close(change)
      }
      changes.splice(0, count)
      if (changes.length === 0) this.#byRepository.delete(repository)
    }
    return decided.sort((one, other) => (isInOrder(one, other) ? -1 : 1)).map(({ event }) => event)
  }

  /** Undefined if its process is still at it, or if storage does not answer. */
  async #isTold(
    { event, outcome, journal }: OpenChange,
    later: readonly OpenChange[],
  ): Promise<boolean | undefined> {
    if (outcome === 'happened') return true
    if (outcome === 'failed') return false
    if (outcome === undefined && !journal.isGone) return undefined
    const { registry, log } = this.#parts
    try {
      if (await hasHappened(event, { registry, later: later.map((other) => other.event) })) return true
      await this.#unsettled.add(event)
      return false
    } catch (err) {
      log.warn({ err, event: event.id }, 'whether a change has happened is not known yet')
      return undefined
    }
  }

  #close({ event, part }: OpenChange): void {
    this.#byId.delete(event.id)
    part.open--
  }

  #journalOf(mark: string): JournalReading {
    const known = this.#journals.get(mark)
    if (known !== undefined) return known
    const journal = new JournalReading(mark)
    this.#journals.set(mark, journal)
    return journal
  }
}

/** As many as are read in a round. */
function firstOf(files: readonly JournalFile[]): readonly JournalFile[] {
  let bytes = 0
  const end = files.findIndex(({ size }, index) => {
    bytes += size
    return index > 0 && (index >= ROUND_FILES || bytes > ROUND_BYTES)
  })
  return end < 0 ? files : files.slice(0, end)
}

/** Of one journal, as they stand there; of several, by the storage's clock and then their own. */
function isInOrder(one: OpenChange, other: OpenChange): boolean {
  if (one.journal === other.journal) return one.order < other.order
  if (one.at !== other.at) return one.at < other.at
  if (one.event.timestamp !== other.event.timestamp) return one.event.timestamp < other.event.timestamp
  return one.moment <= other.moment
}
