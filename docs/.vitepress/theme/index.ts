// VitePress's own theme, with live examples.

import type { Theme } from 'vitepress'
import DefaultTheme from 'vitepress/theme'
import LiveExample from './live-example.vue'
import './contrast.css'

export default {
  extends: DefaultTheme,
  enhanceApp: ({ app }) => void app.component('LiveExample', LiveExample),
} satisfies Theme
