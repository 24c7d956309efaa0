import { useEffect, useRef } from 'preact/hooks'

/** Milliseconds without a key after which the filter is applied. */
const TYPING_MS = 200

/** Narrows the list below it. */
export function Filter({
  value,
  label,
  onChange,
}: {
  value: string
  label: string
  onChange: (value: string) => void
}) {
  const timer = useRef<number>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  return (
    <input
      id="filter"
      class="filter"
      type="search"
      placeholder={label}
      aria-label={label}
      aria-keyshortcuts="f"
      autocomplete="off"
      spellcheck={false}
      maxLength={128}
      defaultValue={value}
      onInput={({ currentTarget }) => {
        clearTimeout(timer.current)
        timer.current = window.setTimeout(() => onChange(currentTarget.value.trim()), TYPING_MS)
      }}
    />
  )
}
