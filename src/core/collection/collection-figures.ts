/** What garbage collections of a process have done, for metrics. */
export interface CollectionFigures {
  isRunning: boolean
  /** What the running one is doing. */
  phase: () => string | undefined
  collections: number
  failures: number
  deletedBlobs: number
  deletedBytes: number
  removedManifests: number
  /** Blobs that were put back from quarantine. */
  restoredBlobs: number
  /** Manifests that the last one could not read. */
  findings: number
  /** Seconds since 1970; 0 for never. */
  lastSuccessAt: number
  lastSeconds: number
}

export function newCollectionFigures(): CollectionFigures {
  return {
    ...{
      isRunning: false,
      phase: () => undefined,
      collections: 0,
      failures: 0,
      deletedBlobs: 0,
      deletedBytes: 0,
      removedManifests: 0,
      restoredBlobs: 0,
    },
    ...{ findings: 0, lastSuccessAt: 0, lastSeconds: 0 },
  }
}
