/** What a process has done to keep the index like storage, for metrics. */
export interface IndexFigures {
  /** Comparisons with all of storage that have ended. */
  sweeps: number
  /** Comparisons and changes that could not be followed, and are tried again. */
  failures: number
  /** When the last comparison that has ended began, in seconds since 1970; 0 for never. */
  lastSweepAt: number
}

export function newIndexFigures(): IndexFigures {
  return { sweeps: 0, failures: 0, lastSweepAt: 0 }
}
