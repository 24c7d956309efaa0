import type { ComponentChild } from 'preact'

/** Names and values, side by side. Values that are empty are left out. */
export function Facts({ facts }: { facts: readonly (readonly [string, ComponentChild])[] }) {
  const shown = facts.filter(([, value]) => value !== '' && value !== undefined && value !== null)
  if (shown.length === 0) return null
  return (
    <dl class="facts">
      {shown.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

/** Annotations, labels or variables: any number of names and texts, as they were pushed. */
export function Entries({
  title,
  entries,
}: {
  title: string
  entries: readonly (readonly [string, string])[]
}) {
  if (entries.length === 0) return null
  return (
    <details class="section" open={entries.length <= 12}>
      <summary>
        {title} <span class="muted">{entries.length}</span>
      </summary>
      <dl class="entries">
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{linkOf(value)}</dd>
          </div>
        ))}
      </dl>
    </details>
  )
}

/** A web address becomes a link that says nothing of this page to where it leads. */
function linkOf(value: string): ComponentChild {
  if (!/^https?:\/\/[^\s]+$/.test(value) || !URL.canParse(value)) return value
  return (
    <a href={value} rel="noreferrer noopener nofollow" target="_blank">
      {value}
    </a>
  )
}
