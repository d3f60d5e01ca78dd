import { hydrate } from 'svelte'
import App from './app.svelte'

const target = document.getElementById('app')
if (target) hydrate(App, { target })
document.documentElement.setAttribute('data-ready', '')
