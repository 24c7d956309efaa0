import { STATUS_CODES } from 'node:http'
import { Counter, Gauge, type Registry } from 'prom-client'

/** An endpoint of notifications, and what was counted of it. */
export interface NotifiedEndpoint {
  readonly name: string
  readonly figures: {
    readonly events: number
    readonly successes: number
    readonly failures: number
    readonly errors: number
    readonly statuses: ReadonlyMap<number, number>
    readonly depth: number
    readonly heldRepositories: number
    readonly deadLetters: number
    readonly droppedPulls: number
    readonly oldestAt: number | undefined
    readonly off: string | undefined
  }
}

type Figures = NotifiedEndpoint['figures']

/** Under the names of Distribution, as far as it has them. */
export function showNotifications(registry: Registry, endpoints: readonly NotifiedEndpoint[]): void {
  const registers = [registry]
  new Counter({
    name: 'registry_notifications_events_total',
    help: 'The number of total events',
    labelNames: ['type', 'endpoint'],
    registers,
    collect() {
      this.reset()
      for (const { name: endpoint, figures } of endpoints) {
        this.inc({ type: 'Events', endpoint }, figures.events)
        this.inc({ type: 'Successes', endpoint }, figures.successes)
        this.inc({ type: 'Failures', endpoint }, figures.failures)
        this.inc({ type: 'Errors', endpoint }, figures.errors)
      }
    },
  })
  new Counter({
    name: 'registry_notifications_status_total',
    help: 'The number of status code',
    labelNames: ['code', 'endpoint'],
    registers,
    collect() {
      this.reset()
      for (const { name: endpoint, figures } of endpoints)
        for (const [status, count] of figures.statuses)
          this.inc({ code: `${status} ${STATUS_CODES[status] ?? ''}`.trim(), endpoint }, count)
    },
  })
  const gauge = (name: string, help: string, read: (figures: Figures) => number) =>
    new Gauge({
      ...{ name: `registry_notifications_${name}`, help, labelNames: ['endpoint'], registers },
      collect() {
        for (const { name: endpoint, figures } of endpoints) this.set({ endpoint }, read(figures))
      },
    })
  const counter = (name: string, help: string, read: (figures: Figures) => number) =>
    new Counter({
      ...{ name: `registry_notifications_${name}_total`, help, labelNames: ['endpoint'], registers },
      collect() {
        this.reset()
        for (const { name: endpoint, figures } of endpoints) this.inc({ endpoint }, read(figures))
      },
    })
  gauge('pending_total', 'The gauge of pending events in queue', ({ depth }) => depth)
  gauge('oldest_seconds', 'The age of the oldest event that waits', ({ oldestAt }) =>
    oldestAt === undefined ? 0 : Math.max(0, (Date.now() - oldestAt) / 1000),
  )
  gauge(
    'held_repositories',
    'The number of repositories whose events wait behind one that cannot be delivered',
    ({ heldRepositories }) => heldRepositories,
  )
  gauge('switched_off', 'Whether the endpoint answered 410 and is told nothing any more', ({ off }) =>
    off === undefined ? 0 : 1,
  )
  counter('dead_letters', 'The number of events that were given up', ({ deadLetters }) => deadLetters)
  counter('dropped_pulls', 'The number of pull events that were dropped', ({ droppedPulls }) => droppedPulls)
}
