import { getJson } from '../api/http.ts'
import { Empty, Loaded } from '../components/states.tsx'
import { useLoad } from '../components/use-load.ts'
import { asList, asObject } from '../model/manifest.ts'

/** The registries that are mirrored, and how they are. */
export function Mirrors() {
  const loading = useLoad((signal) => getJson<unknown>('v2/_entrepot/mirrors', signal), 'mirrors')
  return (
    <section class="section" aria-label="Mirrors">
      <h2>Mirrors</h2>
      <Loaded loading={loading}>
        {(answer) => {
          const mirrors = asList(asObject(answer).mirrors).map(asObject)
          if (mirrors.length === 0) return <Empty title="Nothing is mirrored" />
          return (
            <table class="table">
              <caption class="visually-hidden">Mirrors</caption>
              <tbody />
            </table>
          )
        }}
      </Loaded>
    </section>
  )
}
