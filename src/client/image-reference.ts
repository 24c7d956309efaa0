import { type Digest, isDigest } from '../core/digest.ts'
import { isRepositoryName, isTag, type RepositoryName, type Tag } from '../core/reference.ts'

/** An image of a registry as people write it. */
export interface ImageReference {
  /** As in the name, with the port if it has one; `docker.io` if the name has none. */
  readonly host: string
  readonly repository: RepositoryName
  readonly tag: Tag | undefined
  readonly digest: Digest | undefined
}

export const DOCKER_HUB = 'docker.io'
/** Other names of Docker Hub. */
const HUB_NAMES: ReadonlySet<string> = new Set([DOCKER_HUB, 'index.docker.io', 'registry-1.docker.io'])
const HUB_URL = 'https://registry-1.docker.io'

const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/

/** Parses `[host[:port]/]repository[:tag][@digest]` by Docker's rules: the first part is a host if it has a dot
 *  or a colon, or is `localhost`; otherwise the image is Docker Hub's. Undefined if it is malformed.
 *  https://github.com/distribution/reference */
export function parseImageReference(text: string): ImageReference | undefined {
  const plain = text.replace(/^docker:\/\//, '')
  const at = plain.indexOf('@')
  const digest = at < 0 ? undefined : plain.slice(at + 1)
  const named = at < 0 ? plain : plain.slice(0, at)
  const slash = named.indexOf('/')
  const first = slash < 0 ? '' : named.slice(0, slash)
  const host = isHost(first) ? hubOr(first) : DOCKER_HUB
  const rest = isHost(first) ? named.slice(slash + 1) : named
  const colon = rest.lastIndexOf(':')
  const tag = colon < 0 ? undefined : rest.slice(colon + 1)
  const path = colon < 0 ? rest : rest.slice(0, colon)
  const repository = host === DOCKER_HUB && !path.includes('/') ? `library/${path}` : path
  if (!isRepositoryName(repository) || !HOST.test(host)) return undefined
  if ((tag !== undefined && !isTag(tag)) || (digest !== undefined && !isDigest(digest))) return undefined
  return { host, repository, tag, digest }
}

/** A registry's name, such as `registry.example:5000`. Undefined if it is none. */
export function parseHost(text: string): string | undefined {
  const plain = text.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '')
  return HOST.test(plain) ? hubOr(plain) : undefined
}

/** True if the first part of an image's name is a registry's. */
export function isHost(text: string): boolean {
  return text === 'localhost' || (/[.:]/.test(text) && HOST.test(text))
}

/** The URL of a registry's API, without `/v2/`. */
export function registryUrl(host: string, scheme: 'http' | 'https'): string {
  return host === DOCKER_HUB ? HUB_URL : `${scheme}://${host}`
}

/** True for names of this machine, which are spoken to without TLS too. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, '')
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127\.[\d.]+$/.test(name)
}

/** An image's name in full. */
export function formatReference({ host, repository, tag, digest }: ImageReference): string {
  return `${host}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

function hubOr(host: string): string {
  return HUB_NAMES.has(host) ? DOCKER_HUB : host
}
