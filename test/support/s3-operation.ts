import type { StoreRequest } from './faulty-proxy.ts'

/** The name of an S3 operation: `HeadObject`, `ListObjectsV2`, … For requests whose path begins with the
 *  bucket. */
export function s3Operation({ method, path, query, headers }: StoreRequest): string {
  const isBucket = /^\/[^/]+\/?$/.test(path)
  const isCopy = headers['x-amz-copy-source'] !== undefined
  const table = isBucket ? bucketOperations(query) : objectOperations(query, isCopy)
  return table[method] ?? `${method} of ${path}`
}

function bucketOperations(query: URLSearchParams): Record<string, string> {
  return {
    HEAD: 'HeadBucket',
    PUT: 'CreateBucket',
    DELETE: 'DeleteBucket',
    GET: query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2',
    ...(query.has('delete') && { POST: 'DeleteObjects' }),
  }
}

function objectOperations(query: URLSearchParams, isCopy: boolean): Record<string, string> {
  if (query.has('uploadId')) {
    return {
      GET: 'ListParts',
      PUT: isCopy ? 'UploadPartCopy' : 'UploadPart',
      POST: 'CompleteMultipartUpload',
      DELETE: 'AbortMultipartUpload',
    }
  }
  return {
    HEAD: 'HeadObject',
    GET: 'GetObject',
    PUT: isCopy ? 'CopyObject' : 'PutObject',
    DELETE: 'DeleteObject',
    ...(query.has('uploads') && { POST: 'CreateMultipartUpload' }),
  }
}
