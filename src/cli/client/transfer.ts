import pLimit from 'p-limit'
import { Copier, type CopyRequest } from '../../client/copy/copier.ts'
import { type PlatformChoice, parsePlatform } from '../../client/copy/platforms.ts'
import type { Digest } from '../../core/digest.ts'
import { interruption } from '../maintenance/interruption.ts'
import { UsageError } from '../usage-error.ts'
import { parseCount } from './options.ts'
import { bytesText, CopyProgress, type CopyTotals } from './progress.ts'
import type { Registries } from './registries.ts'

export interface TransferValues {
  readonly jobs?: string | undefined
  readonly referrers?: boolean | undefined
  readonly quiet?: boolean | undefined
  readonly json?: boolean | undefined
}

/** An image to copy, with its names for people. */
export type Transfer = Omit<CopyRequest, 'referrers'> & { readonly from: string; readonly to: string }

const DEFAULT_JOBS = 6
const IMAGES_AT_ONCE = 8

/** Copies images and prints what was done: a line or a JSON object for each image on standard output, and the
 *  totals on standard error.
 *  @throws the first failure, after the others have ended */
export async function transferImages(
  transfers: Iterable<Transfer> | AsyncIterable<Transfer>,
  { values, registries }: { values: TransferValues; registries: Registries },
): Promise<void> {
  const { json = false, quiet = false, referrers = false } = values
  const isShown = process.stderr.isTTY && !quiet && !json
  const progress = await CopyProgress.start(isShown)
  const copier = new Copier({
    jobs: Math.max(1, parseCount(values.jobs, 'jobs', DEFAULT_JOBS)),
    ...{ retries: registries.retries, observer: progress, signal: interruption() },
  })
  const limit = pLimit(IMAGES_AT_ONCE)
  const done: Promise<void>[] = []
  const targets = new Set<CopyRequest['target']>()
  const lines: string[] = []
  try {
    for await (const transfer of transfers) {
      targets.add(transfer.target)
      const copied = limit(async () => {
        const { digest, mediaType } = await copier.copy({ ...transfer, referrers })
        lines.push(json ? jsonLine(transfer, digest, mediaType) : `${transfer.to} ${digest}`)
      })
      copied.catch(() => {}) // thrown below
      done.push(copied)
    }
    const outcomes = await Promise.allSettled(done)
    const failed = outcomes.find((outcome) => outcome.status === 'rejected')
    for (const target of targets) await target.finish(failed === undefined)
    if (failed !== undefined) throw failed.reason
  } finally {
    progress.stop()
    for (const line of lines) process.stdout.write(`${line}\n`)
  }
  if (!quiet && !json) process.stderr.write(`${totalsText(progress.totals)}\n`)
  if (json) process.stdout.write(`${JSON.stringify({ action: 'total', ...progress.totals })}\n`)
}

function jsonLine({ from, to }: Transfer, digest: Digest, mediaType: string): string {
  return JSON.stringify({ action: 'copy', from, to, digest, mediaType })
}

function totalsText({ copied, mounted, existing, bytes, manifests, existingManifests }: CopyTotals): string {
  return [
    `${manifests} manifests copied (${existingManifests} were there)`,
    `${copied} blobs copied (${bytesText(bytes)}), ${mounted} mounted, ${existing} were there`,
  ].join('; ')
}

/** @returns undefined for all
 *  @throws UsageError */
export function platformOption(text: string | undefined): PlatformChoice | undefined {
  if (text === undefined || text === 'all') return undefined
  const platform = parsePlatform(text)
  if (platform !== undefined) return platform
  throw new UsageError(`--platform takes os/architecture, os/architecture/variant or all, not ${text}`)
}
