import { AsyncLocalStorage } from 'node:async_hooks'
import type { Author, ChangeCause } from '../../core/lifecycle/history.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { RecordIds, type RecordStamp } from './records.ts'
import { TagJournal } from './tag-journal.ts'
import { Trash } from './trash.ts'

export interface RecorderOptions {
  readonly storage: StorageDriver
  /** For how long a deletion can be undone, in milliseconds. */
  readonly windowMs: number
  /** For how long the move of a tag can be undone, in milliseconds. 0: not at all. */
  readonly movedWindowMs: number
  /** The author of a change that is part of nothing else. */
  readonly author: () => Author
}

/** What a change is a part of. */
interface Undertaking {
  readonly cause: ChangeCause
  /** True if what it deletes is recorded as a whole. */
  readonly isRecorded: boolean
}

/** Records changes of tags, and deletions. */
export class Recorder {
  readonly journal: TagJournal
  readonly trash: Trash
  readonly windowMs: number
  readonly movedWindowMs: number
  readonly #author: RecorderOptions['author']
  readonly #ids = new RecordIds()
  readonly #undertaking = new AsyncLocalStorage<Undertaking>()

  constructor({ storage, windowMs, movedWindowMs, author }: RecorderOptions) {
    this.journal = new TagJournal(storage)
    this.trash = new Trash(storage)
    this.windowMs = windowMs
    this.movedWindowMs = movedWindowMs
    this.#author = author
  }

  /** For one record, or for several of one change. */
  stamp(): RecordStamp {
    return this.#ids.next()
  }

  get author(): Author {
    const undertaking = this.#undertaking.getStore()
    const { actor, cause } = this.#author()
    return { actor, cause: undertaking?.cause ?? cause }
  }

  /** True if the deletion under way is recorded already. */
  get isRecorded(): boolean {
    return this.#undertaking.getStore()?.isRecorded === true
  }

  during<Result>(undertaking: Undertaking, work: () => Promise<Result>): Promise<Result> {
    return this.#undertaking.run(undertaking, work)
  }
}
