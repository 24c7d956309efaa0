import { Facts } from '../components/facts.tsx'
import { useTitle } from '../components/use-title.ts'
import { person } from '../state.ts'
import { Maintenance } from './maintenance.tsx'
import { Mirrors } from './mirrors.tsx'

/** How the registry is, for those who may know. */
export function Operations() {
  useTitle('Operations')
  const { registry, mayOperate } = person.value ?? {}
  return (
    <>
      <div class="view-head">
        <h1>Operations</h1>
      </div>
      <Facts
        facts={[
          ['Version', registry?.version],
          ['Writes', registry?.readOnly ? 'read-only' : 'allowed'],
          ['Deletes', registry?.deleteEnabled ? 'allowed' : 'disabled'],
          ['Search', registry?.search ? 'index' : 'no index'],
        ]}
      />
      {mayOperate && <Maintenance />}
      <Mirrors />
    </>
  )
}
