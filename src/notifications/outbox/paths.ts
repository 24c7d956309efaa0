/** Where the outbox keeps its files, beside Distribution's layout:
 *
 *  - `state`: who delivers, and how far it has come; changed by compare-and-swap.
 *  - `journal/<process>/<number>`: what a process has announced, and what came of it; an object a batch. On a disk `<number>.log`, to
 *    which batch after batch is added.
 *  - `unsettled/<id>`: an event of a change that storage did not show when it was asked, but may show yet.
 *  - `log/<number>-<epoch>`: the events of all processes in the order in which they are delivered; see `EventLog`.
 *  - `held/<endpoint>/<repository>/<position>`: events that wait behind one that can't be delivered, in order.
 *  - `dead/<endpoint>/<time>-<id>`: events that could not be delivered in time.
 *  - `requests/<id>`: what an operator has asked for.
 *
 *  Endpoints and repositories stand there by a hash of their names. */
import { hash } from 'node:crypto'

export const OUTBOX = '/docker/registry/v2/notifications'
export const STATE = `${OUTBOX}/state`
export const JOURNAL = `${OUTBOX}/journal`
export const UNSETTLED = `${OUTBOX}/unsettled`
export const LOG = `${OUTBOX}/log`
export const HELD = `${OUTBOX}/held`
export const DEAD = `${OUTBOX}/dead`
export const REQUESTS = `${OUTBOX}/requests`

const DIGITS = 12

/** In a form whose byte order is that of the numbers. */
export function padded(value: number): string {
  return String(value).padStart(DIGITS, '0')
}

/** A name as a component of a path. */
export function folderOf(name: string): string {
  return hash('sha256', name).slice(0, 24)
}
