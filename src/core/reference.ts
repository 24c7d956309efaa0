import { type Digest, parseDigest } from './digest.ts'
import { RegistryError } from './errors.ts'

declare const nameBrand: unique symbol
declare const tagBrand: unique symbol

/** A repository's name: path components of lower-case letters and digits joined by single separators, at most
 *  255 characters. OCI Distribution Specification 1.1, "Pulling manifests". */
export type RepositoryName = string & { readonly [nameBrand]: true }

/** A tag: at most 128 characters. OCI Distribution Specification 1.1, "Pulling manifests". */
export type Tag = string & { readonly [tagBrand]: true }

const MAX_NAME_LENGTH = 255
const NAME_PATTERN = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/

export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= MAX_NAME_LENGTH && NAME_PATTERN.test(text)
}

/** Parses a repository's name.
 *  @throws RegistryError NAME_INVALID */
export function parseRepositoryName(text: string): RepositoryName {
  if (isRepositoryName(text)) return text
  throw new RegistryError('NAME_INVALID', {
    message:
      text.length > MAX_NAME_LENGTH
        ? `a repository name has at most ${MAX_NAME_LENGTH} characters`
        : 'a repository name is lower-case letters and digits, joined by . _ __ - and /',
    detail: { name: text.slice(0, MAX_NAME_LENGTH) },
  })
}

export function isTag(text: string): text is Tag {
  return TAG_PATTERN.test(text)
}

/** Parses a tag.
 *  @throws RegistryError TAG_INVALID */
export function parseTag(text: string): Tag {
  if (isTag(text)) return text
  throw new RegistryError('TAG_INVALID', {
    message: 'a tag is 1 to 128 letters, digits and _ . -, and begins with neither . nor -',
    detail: { tag: text.slice(0, 200) },
  })
}

/** The reference to a manifest in a repository. */
export type Reference = { kind: 'digest'; digest: Digest } | { kind: 'tag'; tag: Tag }

/** Parses a reference. A colon makes it a digest: tags contain none.
 *  @throws RegistryError DIGEST_INVALID or TAG_INVALID */
export function parseReference(text: string): Reference {
  return text.includes(':')
    ? { kind: 'digest', digest: parseDigest(text) }
    : { kind: 'tag', tag: parseTag(text) }
}
