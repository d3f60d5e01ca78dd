// The second site's script: all that a host page needs.

import { configureAuthFlow } from 'authflow/ui'
import 'authflow/define'

const meta = document.querySelector<HTMLMetaElement>('meta[name=authflow-endpoint]')
if (meta) configureAuthFlow({ endpoint: meta.content })
