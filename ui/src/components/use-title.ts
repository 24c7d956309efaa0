import { useEffect } from 'preact/hooks'

/** Names the view in the window's title. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = `${title} · Entrepot`
  }, [title])
}
