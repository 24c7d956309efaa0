import { useEffect, useState } from 'preact/hooks'
import { Dialog } from '../components/dialog.tsx'
import { copy } from '../state.ts'

const KEYS: readonly [string, string][] = [
  ['/', 'Search repositories and tags'],
  ['f', 'Filter this list'],
  ['j', 'Next row'],
  ['k', 'Previous row'],
  ['Enter', 'Open the row'],
  ['x', 'Select the row'],
  ['c', 'Copy the command that pulls'],
  ['?', 'Show these keys'],
  ['Esc', 'Close, or leave the search'],
]

/** The keys of the page. The row with the focus is the present one, so that a screen reader follows. */
export function Shortcuts() {
  const [isOpen, setOpen] = useState(false)
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return
      if (isTyping(event.target)) {
        if (event.key === 'Escape') (event.target as HTMLElement).blur()
        return
      }
      if (document.querySelector('dialog[open]') !== null) return
      const act = event.key === '?' ? () => setOpen(true) : actions[event.key]
      if (act === undefined) return
      event.preventDefault()
      act()
    }
    addEventListener('keydown', listen)
    return () => removeEventListener('keydown', listen)
  }, [])
  if (!isOpen) return null
  return (
    <Dialog title="Keys" onClose={() => setOpen(false)}>
      <dl class="keys">
        {KEYS.map(([key, meaning]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}

const actions: Readonly<Record<string, () => void>> = {
  '/': () => focusOn('#search'),
  f: () => focusOn('#filter'),
  j: () => moveRow(1),
  k: () => moveRow(-1),
  x: () => presentRow()?.querySelector<HTMLInputElement>('td.select input')?.click(),
  c: () => {
    const text = (presentRow() ?? document.querySelector<HTMLElement>('[data-copy]'))?.dataset.copy
    if (text !== undefined) void copy(text)
  },
}

function focusOn(selector: string): void {
  const input = document.querySelector<HTMLInputElement>(selector)
  input?.focus()
  input?.select()
}

function presentRow(): HTMLElement | undefined {
  return document.activeElement?.closest<HTMLElement>('tbody tr') ?? undefined
}

function moveRow(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('main .table tbody tr')]
  const present = rows.indexOf(presentRow() as HTMLElement)
  const row = present === -1 ? rows[0] : rows[present + step]
  const target = row?.querySelector<HTMLElement>('a, button, input')
  // The link of the row rather than its checkbox.
  const link = row?.querySelector<HTMLElement>('a') ?? target
  link?.focus()
  row?.scrollIntoView({ block: 'nearest' })
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target instanceof HTMLInputElement)
    return !['checkbox', 'radio', 'button', 'submit'].includes(target.type)
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement
}
