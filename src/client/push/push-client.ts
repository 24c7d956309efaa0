import type { Descriptor } from '../../core/descriptor.ts'
import type { Digest } from '../../core/digest.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import { UpstreamError } from '../../core/upstream/upstream-error.ts'
import type { CallOptions } from '../../core/upstream/upstream-registry.ts'
import type { Answer, RequestBody } from '../http/connections.ts'
import { RegistryClient } from '../registry-client.ts'
import { discard } from '../transport.ts'

/** An open upload. */
export interface Upload {
  readonly repository: RepositoryName
  /** Where the next request goes: a whole URL. */
  readonly location: string
  /** The scopes of its requests. */
  readonly scope: string
}

export interface ManifestToPush {
  readonly payload: Uint8Array
  readonly mediaType: string
}

/** A client of the distribution API that also pushes. OCI Distribution Specification 1.1, "Push", "Content
 *  Management". Every method throws `UpstreamError` only, or the reason of its signal. */
export class PushClient extends RegistryClient {
  /** "Opening an upload"; "Mounting a blob from another repository".
   *  @param from a repository of the same registry that has the blob
   *  @returns undefined if the blob was mounted */
  async beginUpload(
    repository: RepositoryName,
    { digest, from, signal }: { digest: Digest; from?: RepositoryName | undefined } & CallOptions,
  ): Promise<Upload | undefined> {
    const mount = from === undefined ? '' : `?${new URLSearchParams({ mount: digest, from })}`
    const scope = from === undefined ? pushScope(repository) : `${pushScope(repository)} ${pullScope(from)}`
    const path = `${repository}/blobs/uploads/${mount}`
    const answer = await this.requests.send({
      ...{ method: 'POST', path, scope, signal, expect: [201, 202], headers: { 'content-length': '0' } },
    })
    await discard(answer)
    if (answer.statusCode === 201) return undefined
    return { repository, scope: pushScope(repository), location: this.#locationOf(answer, path) }
  }

  /** "Streamed upload", or a chunk of one: appends bytes.
   *  @param body bytes from `start` on, `length` of them
   *  @returns the upload after it */
  async append(
    { repository, location, scope }: Upload,
    { start, length, body, signal }: { start: number; length: number; body: () => RequestBody } & CallOptions,
  ): Promise<Upload> {
    const answer = await this.requests.send({
      ...{ method: 'PATCH', path: location, scope, signal, body, expect: [202, 204] },
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': `${length}`,
        ...(start > 0 && { 'content-range': `${start}-${start + length - 1}` }),
      },
    })
    await discard(answer)
    return { repository, scope, location: this.#locationOf(answer, location) }
  }

  /** "Pushing a blob in chunks": where it was interrupted.
   *  @returns how many bytes the registry has */
  async uploadStatus(
    { repository, location, scope }: Upload,
    { signal }: CallOptions = {},
  ): Promise<Upload & { size: number }> {
    const answer = await this.requests.send({
      ...{ method: 'GET', path: location, scope, signal, expect: [204, 200] },
    })
    await discard(answer)
    const [, last] = /^(?:bytes=)?0-(\d{1,15})$/.exec([answer.headers.range ?? ''].flat().join()) ?? []
    // An empty upload has the range 0-0, as one of a single byte has.
    const size = last === undefined || last === '0' ? 0 : Number(last) + 1
    return { repository, scope, location: this.#locationOf(answer, location), size }
  }

  /** Finishes an upload, with its only bytes or after all were appended.
   *  @throws UpstreamError INVALID if the bytes have another digest */
  async finishUpload(
    { location, scope }: Upload,
    {
      digest,
      body,
      length = 0,
      signal,
    }: { digest: Digest; body?: () => RequestBody; length?: number } & CallOptions,
  ): Promise<void> {
    const url = this.requests.urlOf(location)
    url.searchParams.append('digest', digest)
    const answer = await this.requests.send({
      ...{ method: 'PUT', path: url.href, scope, signal, expect: [201, 204] },
      headers: {
        'content-length': `${length}`,
        ...(body !== undefined && { 'content-type': 'application/octet-stream' }),
      },
      ...(body !== undefined && { body }),
    })
    await discard(answer)
  }

  async cancelUpload({ location, scope }: Upload, { signal }: CallOptions = {}): Promise<void> {
    await discard(
      await this.requests.send({ method: 'DELETE', path: location, scope, signal, expect: [200, 202, 204] }),
    )
  }

  /** "Pushing manifests".
   *  @returns false if the registry keeps no list of referrers, so that the fallback tag is the client's to
   *    write ("Pushing Manifests with Subject") */
  async putManifest(
    repository: RepositoryName,
    reference: Tag | Digest,
    { payload, mediaType, signal }: ManifestToPush & CallOptions,
  ): Promise<{ keepsReferrers: boolean }> {
    const answer = await this.requests.send({
      method: 'PUT',
      path: `${repository}/manifests/${reference}`,
      scope: pushScope(repository),
      headers: { 'content-type': mediaType, 'content-length': `${payload.length}` },
      body: () => payload,
      expect: [200, 201, 202, 204],
      signal,
    })
    await discard(answer)
    return { keepsReferrers: answer.headers['oci-subject'] !== undefined }
  }

  /** "Deleting tags", "Deleting Manifests". */
  async deleteManifest(
    repository: RepositoryName,
    reference: Tag | Digest,
    { signal }: CallOptions = {},
  ): Promise<void> {
    const path = `${repository}/manifests/${reference}`
    const scope = `repository:${repository}:delete`
    await discard(
      await this.requests.send({ method: 'DELETE', path, scope, signal, expect: [200, 202, 204] }),
    )
  }

  /** @returns false if the repository does not have the blob, or has it with another size */
  async hasBlob(
    repository: RepositoryName,
    { digest, size }: Descriptor,
    options: CallOptions = {},
  ): Promise<boolean> {
    try {
      const found = await this.headBlob(repository, digest, options)
      return found === undefined || found === size || size === 0
    } catch (error) {
      if (error instanceof UpstreamError && error.code === 'NOT_FOUND') return false
      throw error
    }
  }

  /** Checks that the API is there and, after a challenge, the login. "Determining Support".
   *  @returns true if another place answered
   *  @throws UpstreamError REFUSED */
  async ping({ signal }: CallOptions = {}): Promise<{ isRedirected: boolean }> {
    const answer = await this.requests.send({ method: 'GET', path: '', scope: '', signal })
    await discard(answer)
    return answer
  }

  #locationOf({ headers }: Answer, from: string): string {
    const { location } = headers
    if (location === undefined) return this.requests.urlOf(from).href
    if (typeof location !== 'string' || !URL.canParse(location, this.requests.urlOf(from)))
      throw new UpstreamError('INVALID', { message: `${this.host} answered with no Location of an upload` })
    return new URL(location, this.requests.urlOf(from)).href
  }
}

function pullScope(repository: RepositoryName): string {
  return `repository:${repository}:pull`
}

function pushScope(repository: RepositoryName): string {
  return `repository:${repository}:pull,push`
}
