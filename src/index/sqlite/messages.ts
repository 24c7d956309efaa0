import type { Row, Statement } from '../sql/engine.ts'

/** What the thread is started with. */
export interface ThreadData {
  readonly path: string
  /** Names the storage that the index is of. */
  readonly source: string
}

export interface ThreadRequest {
  readonly id: number
  readonly statements: readonly Statement[] | 'reset' | 'close'
  readonly writes: boolean
}

/** The answer to a request; to 0 once the thread is ready. */
export interface ThreadAnswer {
  readonly id: number
  readonly results?: readonly Row[][] | undefined
  readonly error?: string | undefined
  /** SQLite's extended result code. */
  readonly errorCode?: number | undefined
}
