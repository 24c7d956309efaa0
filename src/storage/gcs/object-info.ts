/** An object as the API describes it; numbers are text.
 *  @see https://cloud.google.com/storage/docs/json_api/v1/objects#resource */
export interface ObjectResource {
  readonly name: string
  readonly size: string
  readonly generation: string
  readonly metageneration: string
  readonly contentType: string
  readonly updated: string
  readonly metadata: Readonly<Record<string, string>>
}

/** An object's bytes and metadata, as they are at a time: each change of one of the two has another number. */
export interface ObjectState {
  readonly key: string
  readonly generation: string
  readonly metageneration: string
}

/** The fields that a response has. */
export type ObjectInfo = Partial<ObjectResource>

/** Distribution's state of a running upload, which is no file. */
const SESSION_CONTENT_TYPE = 'application/x-docker-upload-session'

/** True for objects that are hidden from readers. */
export function isUploadSession(contentType: string | undefined): boolean {
  return contentType === SESSION_CONTENT_TYPE
}

/** True for an object that is a file. */
export function isFile(found: ObjectInfo | undefined): found is ObjectInfo {
  return found !== undefined && !isUploadSession(found.contentType)
}
