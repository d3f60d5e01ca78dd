// What the one file for a script tag holds: every element, defined, and the page's settings.
//
//   <script type="module">
//     import { configureAuthFlow } from 'https://cdn.example.com/authflow.js'
//     configureAuthFlow({ endpoint: 'https://connect.example.com' })
//   </script>

import './define.ts'

export {
  configureAuthFlow,
  createAuthFlow,
  createConnections,
  registerMessages,
  resumeAuthFlow,
} from './index.ts'
