import { useRoute } from 'preact-iso'
import { formatReference, parseReference } from '../model/reference.ts'
import { Image } from './image/image.tsx'
import { NotFound } from './not-found.tsx'
import { Repository } from './repository/repository.tsx'

/** A repository, or an image in it: `name`, `name:tag` or `name@digest`. */
export function ReferenceView() {
  const { params } = useRoute()
  const reference = parseReference(params.reference ?? '')
  if (reference === undefined) return <NotFound />
  const { repository, tag, digest } = reference
  const key = formatReference(reference)
  if (tag === undefined && digest === undefined) return <Repository key={key} name={repository} />
  return <Image key={key} reference={reference} />
}
