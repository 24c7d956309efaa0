/** What scrubs of a process have done, for metrics. */
export interface ScrubFigures {
  isRunning: boolean
  scrubs: number
  failures: number
  blobs: number
  bytes: number
  damagedBlobs: number
  healedBlobs: number
  /** Of the last scrub that ended. */
  findings: number
  /** Seconds since 1970; 0 for never. */
  lastSuccessAt: number
}

export function newScrubFigures(): ScrubFigures {
  return {
    ...{ isRunning: false, scrubs: 0, failures: 0, blobs: 0, bytes: 0 },
    ...{ damagedBlobs: 0, healedBlobs: 0, findings: 0, lastSuccessAt: 0 },
  }
}
