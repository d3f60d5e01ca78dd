// What the pages say in German.

import type { PageTexts } from '../page-texts.ts'

/** Every text in German. */
export const texts: PageTexts = {
  leaving: 'Sie werden zur Anmeldung weitergeleitet…',
  leavingHint: 'Falls nichts geschieht, nehmen Sie den Knopf.',
  goOn: 'Weiter',
  connected: 'Mit {name} verbunden',
  cancelled: '{name} wurde nicht verbunden',
  failed: '{name} konnte nicht verbunden werden',
  almost: 'Noch ein Schritt, um {name} zu verbinden',
  linkTitle: '{name} verbinden',
  linkHint: '{host} bittet Sie, Ihr Konto zu verbinden. Fahren Sie nur fort, wenn Sie das erwarten.',
  pageTitle: 'Verbinden Sie Ihre Konten mit {host}',
  pageHint: '{host} nutzt in Ihrem Auftrag, was Sie hier verbinden.',
  again: '{name} erneut verbinden',
  disconnect: '{name} trennen',
  back: 'Zurück zu {host}',
  needsScript: 'Diese Seite braucht JavaScript. Erlauben Sie es und laden Sie neu.',
  closeHint: 'Sie können dieses Fenster schließen.',
  returnHint: 'Sie werden zurückgeleitet…',
  broken: 'Das hat nicht geklappt',
  code: 'Code',
  advice: {
    access_denied:
      'Der Zugriff wurde nicht erlaubt. Sie können es auf der Seite, von der Sie kommen, erneut versuchen.',
    browser_mismatch: 'Das wurde in einem anderen Browser begonnen. Beginnen Sie in diesem erneut.',
    flow_expired: 'Das hat zu lange gedauert. Beginnen Sie erneut auf der Seite, von der Sie kommen.',
    flow_ended: 'Das ist bereits beendet. Beginnen Sie erneut auf der Seite, von der Sie kommen.',
    link_invalid:
      'Dieser Link ist unvollständig oder es gibt ihn nicht. Kopieren Sie ihn ganz oder bitten Sie um einen neuen.',
    link_expired: 'Dieser Link ist zu alt. Bitten Sie um einen neuen.',
    link_used: 'Dieser Link wurde schon benutzt. Bitten Sie um einen neuen.',
    confirmation_expired: 'Das hat zu lange gedauert. Bitten Sie um einen neuen Link.',
    already_connected: 'Das ist bereits verbunden. Es ist nichts mehr zu tun.',
    rate_limited: 'Das wird bereits bearbeitet. Warten Sie einen Moment und laden Sie neu.',
    origin_opaque:
      'Die Seite, von der Sie kommen, verbirgt, wo sie ist: Sie steht in einem eingeschränkten Rahmen oder ist keine Seite einer Website. Öffnen Sie sie in einem eigenen Fenster und versuchen Sie es erneut.',
    origin_mismatch:
      'Die Seite, von der Sie kommen, darf das nicht beginnen. Gehen Sie auf die Ihnen bekannte und beginnen Sie dort.',
    origin_missing:
      'Das lässt sich nicht direkt öffnen. Beginnen Sie auf der Seite, auf der Sie Ihr Konto verbinden.',
    state_invalid:
      'Dieser Link wurde schon benutzt oder ist zu alt. Beginnen Sie erneut auf der Seite, von der Sie kommen.',
    token_expired:
      'Das hat zu lange gedauert. Laden Sie die Seite, von der Sie kommen, neu und beginnen Sie erneut.',
    token_spent: 'Das ist bereits verbunden. Laden Sie die Seite, von der Sie kommen, neu.',
    provider_unavailable: 'Der Dienst antwortet gerade nicht. Versuchen Sie es in ein paar Minuten erneut.',
    identity_changed: 'Das ist ein anderes Konto als das zuvor verbundene. Melden Sie sich mit jenem an.',
    method_not_allowed:
      'Diese Adresse lässt sich nicht direkt öffnen. Beginnen Sie auf der Seite, auf der Sie Ihr Konto verbinden.',
  },
  otherAdvice:
    'Beginnen Sie erneut auf der Seite, von der Sie kommen. Geschieht es wieder, nennen Sie deren Betreiber den Code unten.',
}
