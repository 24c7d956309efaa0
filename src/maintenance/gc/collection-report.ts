import type { DeletionStep } from './blob-sweep.ts'
import type { RestorationStep } from './collected-blobs.ts'
import type { RemovalStep, RemovedManifest } from './manifest-sweep.ts'
import type { Finding } from './mark.ts'

/** A manifest that was removed, or in a dry run would be. */
export interface ReportedManifest extends RemovedManifest {
  /** The bytes that nothing else holds: a collection frees them once they are old enough. */
  readonly bytes: number
}

export type CollectionStep = DeletionStep | RemovalStep | RestorationStep

export interface CollectionReport {
  /** Blobs that are there and were looked at. */
  readonly blobs: number
  /** Blobs that were deleted, or in a dry run would be. */
  readonly deletedBlobs: number
  readonly deletedBytes: number
  /** Condemned, and then needed all the same. */
  readonly rescuedBlobs: number
  /** Put back from quarantine, or in a dry run would be. */
  readonly restoredBlobs: number
  /** Manifests that were removed from their repositories, or in a dry run would be. */
  readonly removedManifests: number
  readonly removed: readonly ReportedManifest[]
  /** Untagged manifests that stay until the next collection, because others deleted in their repositories, or because removing them took
   *  longer than its lease. */
  readonly postponedManifests: number
  readonly findings: readonly Finding[]
}

/** What a collector is doing, for people who watch it. */
export interface CollectionProgress {
  readonly phase:
    | 'removing untagged manifests'
    | 'reading manifests'
    | 'restoring blobs'
    | 'looking for garbage'
    | 'waiting for pushes'
    | 'deleting'
  /** Manifests or blobs. */
  readonly done: number
  /** Undefined if it is not known. */
  readonly total: number | undefined
}
