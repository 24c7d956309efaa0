/** The files of the web page, as they are sent. */
export interface Page {
  /** @param path below `/ui/`, without a leading slash; undefined if there is no such file */
  file(path: string): PageFile | undefined
}

export interface PageFile {
  readonly mediaType: string
  /** A quoted entity tag (RFC 9110 section 8.8.3), the same for all encodings but for its ending. */
  readonly etag: string
  /** True if the name contains a hash of the content, so that another content has another name. */
  readonly isImmutable: boolean
  readonly content: Readonly<Record<PageEncoding, Uint8Array | undefined>> & { readonly identity: Uint8Array }
}

/** Content codings, best first. RFC 9110 section 8.4.1. */
export const PAGE_ENCODINGS = ['br', 'gzip', 'identity'] as const

export type PageEncoding = (typeof PAGE_ENCODINGS)[number]
