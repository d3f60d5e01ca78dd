import { StrictMode, useEffect, type ReactNode } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { App } from './app.tsx'

function Ready({ children }: { children: ReactNode }) {
  useEffect(() => document.documentElement.setAttribute('data-ready', ''), [])
  return children
}

const root = document.getElementById('app')
if (root) {
  hydrateRoot(
    root,
    <StrictMode>
      <Ready>
        <App />
      </Ready>
    </StrictMode>,
  )
}
