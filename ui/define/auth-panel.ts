// Defines <auth-panel>, unless the page has defined it already.

import { define } from '../elements/define-element.ts'
import { AuthPanelElement } from '../elements/auth-panel.ts'

define('auth-panel', AuthPanelElement)
