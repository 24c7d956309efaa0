/** Rows of the table: one kind of work, done in the same way with every registry. */
import type { RegistryId, Variant } from '../registries.ts'
import type { Server } from '../servers.ts'

/** Of what happens in a second more is better, of time, memory and work less. */
export type Unit =
  | 'requests/s'
  | 'pushes/s'
  | 'events/s'
  | 'tags/s'
  | 'GB/s'
  | 'ms'
  | 'MB'
  | 'bytes'
  | 'CPU s'

export interface Figure {
  /** Label beside the row's title; the first figure of a row has the title itself. */
  readonly label: string
  readonly unit: Unit
  /** `NaN` where this machine can't tell. */
  readonly value: number
}

export interface Time {
  /** Measured in each round. */
  readonly seconds: number
  /** Spent before it on the same work. */
  readonly warmUpSeconds: number
}

export interface Row {
  readonly id: string
  readonly title: string
  /** Fresh servers measured in each round; 1 unless said. */
  readonly repeats?: number
  /** Those that can do it; all unless said. */
  readonly registries?: readonly RegistryId[] | undefined
  /** Differences from the standard configuration. */
  readonly variant?: Variant
  /** Does the work with a server that has just been started and is empty. */
  measure(server: Server, time: Time): Promise<Figure[]>
}
