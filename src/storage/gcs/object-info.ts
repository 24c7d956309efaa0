/** An object as the API describes it; numbers come as text.
 *  @see https://cloud.google.com/storage/docs/json_api/v1/objects#resource */
export interface ObjectResource {
  readonly name: string
  readonly size: string
  readonly generation: string
  readonly contentType: string
  readonly updated: string
  readonly metadata: Readonly<Record<string, string>>
}

/** As much of it as was answered. */
export type ObjectInfo = Partial<ObjectResource>

/** What Distribution keeps of an upload that is under way: nothing that was asked to be stored. */
const SESSION_CONTENT_TYPE = 'application/x-docker-upload-session'

/** True for what readers are not to see. */
export function isUploadSession(contentType: string | undefined): boolean {
  return contentType === SESSION_CONTENT_TYPE
}

/** True for an object that is a file to readers. */
export function isFile(found: ObjectInfo | undefined): found is ObjectInfo {
  return found !== undefined && !isUploadSession(found.contentType)
}
