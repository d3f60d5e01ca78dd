// Defines <auth-panel>, unless the page has defined it already.

import { AuthPanelElement } from '../elements/auth-panel.ts'

if (!customElements.get('auth-panel')) customElements.define('auth-panel', AuthPanelElement)
