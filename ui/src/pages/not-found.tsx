import { PAGE } from '../api/http.ts'
import { Empty } from '../components/states.tsx'
import { useTitle } from '../components/use-title.ts'

export function NotFound() {
  useTitle('Not found')
  return (
    <Empty isView title="There is no such view">
      <a href={PAGE}>Show the repositories</a>
    </Empty>
  )
}
