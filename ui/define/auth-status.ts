// Defines <auth-status>, unless the page has defined it already.

import { AuthStatusElement } from '../elements/auth-status.ts'

if (!customElements.get('auth-status')) customElements.define('auth-status', AuthStatusElement)
