import type { ManifestPulls } from '../../core/lifecycle/pulls.ts'
import { jsonReply, type Reply } from '../reply/reply.ts'
import { pageRequest } from '../request/pagination.ts'
import type { RequestContext } from '../request-context.ts'

const PAGE = { standard: 50, max: 200 }

/** When the manifests of a repository were pulled last, and how often: docs/lifecycle.md. */
export async function listPulls({ pulls, repository, query }: RequestContext): Promise<Reply> {
  const { count } = pageRequest(query, PAGE)
  const after = query.get('cursor') ?? ''
  const recordedSince = (await pulls.recordedSince())?.toISOString() ?? null
  const found = (await pulls.of(repository.name)).filter(({ digest }) => digest > after)
  const manifests = found.slice(0, count)
  const next = found.length > count ? (manifests.at(-1)?.digest ?? null) : null
  const body = { name: repository.name, recordedSince, manifests: manifests.map(described), next }
  return jsonReply(200, body, { 'cache-control': 'no-store' })
}

function described({ digest, lastPulledAt, pulls, tags }: ManifestPulls) {
  return {
    ...{ digest, lastPulledAt: lastPulledAt.toISOString(), pulls },
    tags: tags.map((one) => ({
      tag: one.tag,
      lastPulledAt: one.lastPulledAt.toISOString(),
      pulls: one.pulls,
    })),
  }
}
