import { render } from 'preact'
import { App } from './app.tsx'
import { start } from './state.ts'
import './style/main.css'

void start()
render(<App />, document.getElementById('app') as HTMLElement)
