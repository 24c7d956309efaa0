import { isDigest, isTarSum } from '../../core/digest.ts'
import { StorageError } from '../../core/errors.ts'
import { printable } from '../../lib/printable.ts'
import type { Failure } from '../reply/reply.ts'
import type { RequestLifecycle } from '../request-lifecycle.ts'
import { claimedBy } from './claimed-user.ts'

/** Limit of further errors, such as missing blobs. */
const MAX_OTHERS = 10
const MAX_TEXT_CHARACTERS = 500

/** The log fields of a rejected or failed request, with Distribution's keys: the client's identity and the
 *  error sent. Limited in size. */
export function failureFields({ error, told }: Failure, lifecycle: RequestLifecycle): object {
  const who = lifecycle.context?.actor ?? lifecycle.identity
  const detailOf = detailsFor(lifecycle.request.url ?? '')
  const [first, ...others] = told.map(({ code, detail }) => ({ code, detail: detailOf(detail) }))
  const { clientAddress, remoteAddress } = lifecycle
  return {
    'auth.user.claimed': who === undefined ? claimedBy(lifecycle) : undefined,
    'auth.user.name': printable(who?.name ?? ''),
    'err.code': first?.code,
    'err.detail': first?.detail,
    'err.message': cut(told[0]?.message ?? ''),
    'err.others': others.length > 0 ? others.slice(0, MAX_OTHERS) : undefined,
    'err.othersomitted': others.length > MAX_OTHERS ? others.length - MAX_OTHERS : undefined,
    'err.reason': error.cause === undefined ? undefined : reasonOf(error.cause),
    'http.request.clientaddr': clientAddress === remoteAddress ? undefined : clientAddress,
  }
}

/** The log fields of an error: one line for a known failure of storage, the stack of any other. */
export function errorFields(error: unknown): object {
  return isForeseen(error) ? { 'err.reason': reasonOf(error) } : { err: error }
}

/** True for failures of storage: unreachable, full or broken. */
export function isForeseen(error: unknown): boolean {
  return error instanceof StorageError || (error instanceof Error && error.cause instanceof StorageError)
}

/** The messages of an error and its causes. */
function reasonOf(error: unknown): string {
  const messages: string[] = []
  for (let cause = error; cause !== undefined && messages.length < 4; ) {
    messages.push(cause instanceof Error ? cause.message : String(cause))
    cause = cause instanceof Error ? cause.cause : undefined
  }
  return cut(messages.filter(Boolean).join(': '))
}

/** Makes details safe for logs: plain data, or the beginning of its text. Of the query only digests, because
 *  it may hold secrets. */
function detailsFor(url: string): (detail: unknown) => unknown {
  const query = new Set(
    url.includes('?') ? new URLSearchParams(url.slice(url.indexOf('?') + 1)).values() : [],
  )
  const withoutQuery = (_key: string, value: unknown) =>
    typeof value === 'string' && query.has(value) && !isDigest(value) && !isTarSum(value) ? '…' : value
  return (detail) => {
    if (detail === undefined) return undefined
    const text = JSON.stringify(detail, withoutQuery) ?? ''
    return text.length <= MAX_TEXT_CHARACTERS ? JSON.parse(printable(text)) : cut(text)
  }
}

function cut(text: string): string {
  return printable(text.length > MAX_TEXT_CHARACTERS ? `${text.slice(0, MAX_TEXT_CHARACTERS)}…` : text)
}
