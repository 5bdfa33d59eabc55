// What voices say when they are tried: a short sentence in their own language.

/** By the first part of a language's tag. Japanese in kana, which is what espeak-ng reads. */
const SENTENCES = new Map([
  ["en", "Hello! This is how I sound when I read to you."],
  ["de", "Hallo! So klinge ich, wenn ich dir etwas vorlese."],
  ["fr", "Bonjour ! Voilà ma voix quand je vous lis un texte."],
  ["es", "¡Hola! Así sueno cuando te leo un texto."],
  ["it", "Ciao! Questa è la mia voce quando leggo per te."],
  ["pt", "Olá! Esta é a minha voz quando leio para você."],
  ["nl", "Hallo! Zo klink ik als ik je iets voorlees."],
  ["sv", "Hej! Så här låter jag när jag läser för dig."],
  ["da", "Hej! Sådan lyder jeg, når jeg læser for dig."],
  ["nb", "Hei! Slik høres jeg ut når jeg leser for deg."],
  ["fi", "Hei! Tältä kuulostan, kun luen sinulle."],
  ["pl", "Cześć! Tak brzmię, kiedy ci czytam."],
  ["cs", "Ahoj! Takhle zním, když ti čtu."],
  ["ru", "Привет! Так я звучу, когда читаю вам."],
  ["uk", "Привіт! Так я звучу, коли читаю вам."],
  ["tr", "Merhaba! Sana okurken sesim böyle."],
  ["el", "Γεια σου! Έτσι ακούγομαι όταν σου διαβάζω."],
  ["cmn", "你好！这就是我给你读书的声音。"],
  ["zh", "你好！这就是我给你读书的声音。"],
  ["ja", "こんにちは。これが わたしの こえです。"],
  ["ko", "안녕하세요! 이것이 제 목소리입니다."],
]);

const NUMBERS = "1, 2, 3, 4, 5.";

/**
 * A sentence in this language; where there is none, its own name for itself and some numbers.
 * @param {string | null} language a BCP 47 tag
 */
export function sampleSentence(language) {
  const tag = (language ?? "en").split("-")[0];
  return SENTENCES.get(tag) ?? ownName(tag) + NUMBERS;
}

/** With a colon; empty where the browser does not know it. @param {string} tag */
function ownName(tag) {
  const names = new Intl.DisplayNames([tag], { type: "language", fallback: "none" });
  const isKnown = names.resolvedOptions().locale.split("-")[0] === tag; // else it is in English
  const name = isKnown ? names.of(tag) : undefined;
  return name === undefined ? "" : `${name}: `;
}
