/** The port to what repositories take up. */
import type { Digest } from '../digest.ts'
import type { RepositoryName } from '../reference.ts'

export interface UsageFigures {
  /** Of distinct content: what several images share counts once. */
  readonly bytes: number
  readonly tags: number
}

export interface TagUsage {
  readonly tag: string
  readonly digest: Digest
  readonly bytes: number
  /** Of these the bytes that no other tag has, in whatever repository. */
  readonly ownBytes: number
}

export interface RepositoryUsage extends UsageFigures {
  readonly name: string
  readonly manifests: number
  /** Of the bytes those that no other repository has; as of `countedAt`. */
  readonly ownBytes: number
}

/** A limit, and how much of it is used. */
export interface QuotaState {
  readonly kind: 'repository' | 'organisation'
  readonly name: string
  readonly bytes: { readonly used: number; readonly limit: number } | undefined
  readonly tags: { readonly used: number; readonly limit: number } | undefined
}

export interface Usage {
  /** When storage was counted last; undefined before the first time. RFC 3339. */
  countedAt(): Promise<string | undefined>
  /** Undefined for a repository that was not there when storage was counted, and has not changed since. */
  repository(name: RepositoryName): Promise<RepositoryUsage | undefined>
  /** As of `countedAt`. */
  tags(name: RepositoryName): Promise<readonly TagUsage[]>
  /** The limits that hold for a repository. */
  quotas(name: RepositoryName): Promise<readonly QuotaState[]>
  /** Every organisation: the first component of the names. In order of their names. */
  organisations(): Promise<readonly (UsageFigures & { readonly name: string })[]>
  repositories(): Promise<readonly RepositoryUsage[]>
}
