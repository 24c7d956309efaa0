import type { ComponentChildren } from 'preact'

/** Content that scrolls by itself, also with the keyboard. */
export function Scrolled({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must take the focus
    <section class="scroll" tabIndex={0} aria-label={label}>
      {children}
    </section>
  )
}
