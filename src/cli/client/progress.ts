import type { MultiBar, SingleBar } from 'cli-progress'
import type { CopyObserver } from '../../client/copy/copier.ts'
import type { BlobOutcome } from '../../client/copy/image-store.ts'
import type { Descriptor } from '../../core/descriptor.ts'
import type { Digest } from '../../core/digest.ts'

/** What was copied, in all. */
export interface CopyTotals {
  manifests: number
  /** Manifests that were there before. */
  existingManifests: number
  copied: number
  mounted: number
  existing: number
  /** Bytes of the blobs that were copied. */
  bytes: number
}

/** Counts, and shows a bar for each blob on a terminal, on standard error. */
export class CopyProgress implements CopyObserver {
  readonly totals: CopyTotals = {
    ...{ manifests: 0, existingManifests: 0, copied: 0, mounted: 0, existing: 0, bytes: 0 },
  }
  readonly #bars: MultiBar | undefined
  readonly #barOf = new Map<Digest, SingleBar>()

  private constructor(bars: MultiBar | undefined) {
    this.#bars = bars
  }

  /** @param isShown false for no bars */
  static async start(isShown: boolean): Promise<CopyProgress> {
    if (!isShown) return new CopyProgress(undefined)
    const { MultiBar, Presets } = (await import('cli-progress')).default
    const options = { stream: process.stderr, clearOnComplete: true, hideCursor: true, fps: 8 }
    const format = '{digest} {bar} {percentage}% {done} of {size}'
    return new CopyProgress(new MultiBar({ ...options, format }, Presets.shades_classic))
  }

  onBlob({ digest, size }: Descriptor, position: number): void {
    if (this.#bars === undefined) return
    const texts = { digest: digest.slice(7, 19), done: bytesText(position), size: bytesText(size) }
    const bar = this.#barOf.get(digest)
    if (bar !== undefined) bar.update(position, texts)
    else this.#barOf.set(digest, this.#bars.create(size, position, texts))
  }

  onBlobDone({ digest, size }: Descriptor, outcome: BlobOutcome): void {
    this.totals[outcome]++
    if (outcome === 'copied') this.totals.bytes += size
    const bar = this.#barOf.get(digest)
    if (bar !== undefined) this.#bars?.remove(bar)
    this.#barOf.delete(digest)
  }

  onManifest(_digest: Digest, outcome: 'existing' | 'copied'): void {
    if (outcome === 'existing') this.totals.existingManifests++
    else this.totals.manifests++
  }

  /** Removes the bars. */
  stop(): void {
    this.#bars?.stop()
  }
}

/** `12.3 MB`, in powers of 1000. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}
