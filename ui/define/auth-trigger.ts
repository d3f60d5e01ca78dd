// Defines <auth-trigger>, unless the page has defined it already.

import { AuthTriggerElement } from '../elements/auth-trigger.ts'

if (!customElements.get('auth-trigger')) customElements.define('auth-trigger', AuthTriggerElement)
