// Defines <auth-flow>, unless the page has defined it already.

import { AuthFlowElement } from '../elements/auth-flow.ts'

if (!customElements.get('auth-flow')) customElements.define('auth-flow', AuthFlowElement)
