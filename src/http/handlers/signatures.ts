import { parseDigest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { SignatureInfo } from '../../core/registry.ts'
import type { Reply } from '../reply/reply.ts'
import type { RequestContext } from '../request-context.ts'

/** All known signatures of a manifest, as JSON; see docs/signatures.md. Streamed as they are found, in any
 *  number. */
export async function listSignatures(context: RequestContext): Promise<Reply> {
  const { repository, isHead } = context
  const digest = parseDigest(context.reference || (context.query.get('digest') ?? ''))
  const signatures = repository.signatures.list(digest)[Symbol.asyncIterator]()
  const first = await signatures.next()
  if (first.done && !(await repository.manifests.exists(digest))) {
    throw new RegistryError('MANIFEST_UNKNOWN', { detail: { digest } })
  }
  const head = { status: 200, headers: { 'content-type': 'application/json' } }
  if (isHead) {
    await signatures.return?.()
    return head
  }
  const start = `{"name":${JSON.stringify(repository.name)},"digest":${JSON.stringify(digest)},"signatures":[`
  return { ...head, body: listOf(start, first, signatures) }
}

async function* listOf(
  start: string,
  first: IteratorResult<SignatureInfo>,
  rest: AsyncIterator<SignatureInfo>,
): AsyncIterable<Uint8Array> {
  try {
    let separator = start
    for (let next = first; !next.done; next = await rest.next()) {
      yield Buffer.from(separator + JSON.stringify(entryOf(next.value)))
      separator = ','
    }
    yield Buffer.from(separator === start ? `${start}]}` : ']}')
  } finally {
    await rest.return?.()
  }
}

function entryOf({ kind, descriptor, manifest, annotations, pushedAt }: SignatureInfo) {
  return { kind, ...descriptor, manifest, annotations, pushedAt: pushedAt.toISOString() }
}
