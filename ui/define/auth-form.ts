// Defines <auth-form>, unless the page has defined it already.

import { AuthFormElement } from '../elements/auth-form.ts'

if (!customElements.get('auth-form')) customElements.define('auth-form', AuthFormElement)
