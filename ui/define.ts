// Defines all elements, each unless the page has defined it already. In this order they weigh the least after gzip.

import './define/auth-flow.ts'
import './define/auth-trigger.ts'
import './define/auth-panel.ts'
import './define/auth-status.ts'
import './define/auth-connections.ts'
import './define/auth-form.ts'
