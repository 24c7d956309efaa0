import { Counter, Gauge, type Registry } from 'prom-client'
import type { MirrorFigures } from '../core/mirror-figures.ts'

const STATES = { closed: 0, 'half-open': 1, open: 2 } as const

/** The metrics of mirrors. Their label is the upstream's host, which the configuration says. */
export function showMirrors(registry: Registry, mirrors: readonly MirrorFigures[]): void {
  const common = { labelNames: ['upstream'], registers: [registry] }
  const counter = (name: string, help: string, read: (figures: MirrorFigures) => number) =>
    new Counter({
      ...{ name: `registry_proxy_${name}_total`, help, ...common },
      collect() {
        this.reset()
        for (const figures of mirrors) this.inc({ upstream: figures.host }, read(figures))
      },
    })
  const gauge = (name: string, help: string, read: (figures: MirrorFigures) => number | undefined) =>
    new Gauge({
      ...{ name: `registry_proxy_${name}`, help, aggregator: 'max' as const, ...common },
      collect() {
        for (const figures of mirrors) {
          const value = read(figures)
          if (value !== undefined) this.set({ upstream: figures.host }, value)
        }
      },
    })
  counter('hits', 'The number of answers with content that was here', ({ hits }) => hits)
  counter(
    'stale_hits',
    'Answers about tags of which the upstream could not be asked',
    ({ staleHits }) => staleHits,
  )
  counter(
    'misses',
    'The number of blobs and manifests that the upstream was asked for',
    ({ misses }) => misses,
  )
  counter(
    'pulled_bytes',
    'The number of bytes of blobs from the upstream',
    ({ fetchedBytes }) => fetchedBytes,
  )
  counter('saved_bytes', 'The number of bytes of blobs that were here', ({ savedBytes }) => savedBytes)
  counter(
    'store_failures',
    'Blobs that were fetched and could not be stored',
    ({ storeFailures }) => storeFailures,
  )
  counter(
    'evicted_manifests',
    'Manifests removed for age or size',
    ({ evictedManifests }) => evictedManifests,
  )
  gauge('stored_bytes', 'Bytes of content here, when it was last counted', ({ bytes }) => bytes)
  gauge('breaker_state', '0 closed, 1 half-open, 2 open', ({ state }) => STATES[state()])
  gauge(
    'rate_limit_remaining',
    'Pulls left, as the upstream has said last',
    ({ rateLimit }) => rateLimit()?.remaining,
  )
}
