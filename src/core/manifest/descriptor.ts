/** Descriptors as manifests write them. OCI Image Specification 1.1, "Content Descriptors". */
import type { Descriptor } from '../descriptor.ts'
import { type Digest, isDigest } from '../digest.ts'
import { isContentType } from '../media-type.ts'
import { invalidAt, isAbsent, type JsonObject, requireObject, textIn } from './document.ts'
import { DESCRIPTOR_KEYS, PLATFORM_KEYS, requireExactKeys } from './exact-keys.ts'
import type { ManifestReference, Platform } from './manifest.ts'

const NO_URLS: readonly string[] = []

/** Parses a descriptor.
 *  @param place its place in the manifest, for error messages
 *  @throws RegistryError MANIFEST_INVALID */
export function parseDescriptor(value: unknown, place: string): Descriptor {
  const object = requireObject(value, place)
  requireExactKeys(object, DESCRIPTOR_KEYS, place)
  return descriptorOf(object, place)
}

/** Parses a descriptor with its URLs and platform.
 *  @param kindOf maps the descriptor's media type to the kind of content
 *  @throws RegistryError MANIFEST_INVALID */
export function parseReference(
  value: unknown,
  place: string,
  kindOf: (mediaType: string) => Pick<ManifestReference, 'kind' | 'required'>,
): ManifestReference {
  const object = requireObject(value, place)
  requireExactKeys(object, DESCRIPTOR_KEYS, place)
  const descriptor = descriptorOf(object, place)
  const { kind, required } = kindOf(descriptor.mediaType)
  const urls = urlsOf(object, place)
  return {
    descriptor,
    kind,
    // Without URLs, content that the registry lacks could not be fetched from anywhere.
    required: required || urls.length === 0,
    urls,
    platform: platformOf(object, place),
  }
}

function descriptorOf(object: JsonObject, place: string): Descriptor {
  return {
    mediaType: mediaTypeIn(object, place),
    digest: digestIn(object, place),
    size: sizeIn(object, place),
  }
}

function mediaTypeIn({ mediaType }: JsonObject, place: string): string {
  if (typeof mediaType === 'string' && isContentType(mediaType)) return mediaType
  throw invalidAt(`${place}.mediaType`, isAbsent(mediaType) ? 'is missing' : 'is not a media type')
}

function digestIn({ digest }: JsonObject, place: string): Digest {
  if (typeof digest === 'string' && isDigest(digest)) return digest
  throw invalidAt(
    `${place}.digest`,
    isAbsent(digest) ? 'is missing' : 'is not sha256:<64 lower-case hex> or sha512:<128 lower-case hex>',
  )
}

function sizeIn({ size }: JsonObject, place: string): number {
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size
  throw invalidAt(`${place}.size`, isAbsent(size) ? 'is missing' : 'is not a number of bytes')
}

function urlsOf({ urls }: JsonObject, place: string): readonly string[] {
  if (isAbsent(urls)) return NO_URLS
  if (Array.isArray(urls) && urls.every((url) => typeof url === 'string')) return urls
  throw invalidAt(`${place}.urls`, 'is not an array of strings')
}

function platformOf({ platform }: JsonObject, place: string): Platform | undefined {
  if (isAbsent(platform)) return undefined
  const at = `${place}.platform`
  const object = requireObject(platform, at)
  requireExactKeys(object, PLATFORM_KEYS, at)
  return {
    architecture: textIn(object, 'architecture', `${at}.architecture`),
    os: textIn(object, 'os', `${at}.os`),
    variant: textIn(object, 'variant', `${at}.variant`) || undefined,
  }
}
