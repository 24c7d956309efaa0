import { STATUS_CODES } from 'node:http'
import type { Config } from '../config/schema.ts'
import type { Endpoint } from '../notifications/delivery/endpoint.ts'

const NANOSECONDS = 1_000_000

/** The endpoints and what was counted of them, as Distribution shows them at `/debug/vars`. Values of headers are credentials, and so
 *  is whatever stands in a URL beside host and path: they are left out. */
export function variablesOf({ notifications }: Config, endpoints: readonly Endpoint[]): object {
  const enabled = notifications.endpoints.filter(({ disabled }) => !disabled)
  return {
    registry: {
      notifications: {
        endpoints: endpoints.map((endpoint, index) => {
          const { headers, timeout, ignoredmediatypes, ignore, url = '' } = enabled[index]!
          const { name, threshold, backoffMs, figures } = endpoint
          return {
            name,
            url: withoutSecrets(url),
            Headers: Object.fromEntries(Object.keys(headers).map((header) => [header, ['…']])),
            Timeout: timeout * NANOSECONDS,
            Threshold: threshold,
            Backoff: backoffMs * NANOSECONDS,
            IgnoredMediaTypes: ignoredmediatypes,
            Ignore: { MediaTypes: ignore.mediatypes, Actions: ignore.actions },
            Metrics: {
              Pending: figures.depth,
              Events: figures.events,
              Successes: figures.successes,
              Failures: figures.failures,
              Errors: figures.errors,
              Statuses: Object.fromEntries(
                [...figures.statuses].map(([status, count]) => [
                  `${status} ${STATUS_CODES[status] ?? ''}`.trim(),
                  count,
                ]),
              ),
            },
          }
        }),
      },
    },
  }
}

function withoutSecrets(text: string): string {
  const { origin, pathname } = new URL(text)
  return origin + pathname
}
