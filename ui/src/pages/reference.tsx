import { lazy, useRoute } from 'preact-iso'
import { formatReference, parseReference } from '../model/reference.ts'
import { NotFound } from './not-found.tsx'

const Image = lazy(() => import('./image/image.tsx').then((module) => module.Image))
const Repository = lazy(() => import('./repository/repository.tsx').then((module) => module.Repository))

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
