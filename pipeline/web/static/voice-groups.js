// The voices in the groups in which they are offered. Pure, but for the names of languages.

import { languageName } from "./voices.js";

/** @typedef {import("./voices.js").Voice} Voice */
/** @typedef {{label: string, voices: Voice[]}} Group */

/**
 * One's own voices first, then those of neural engines, then the built-in ones: a group for each
 * language that has several, and one for all others, by their languages' names.
 * @param {Voice[]} voices
 * @returns {Group[]}
 */
export function groupsOf(voices) {
  const builtIn = voices.filter(({ type }) => type === "built-in");
  /** @type {Map<string, Voice[]>} */
  const byLanguage = new Map();
  for (const voice of builtIn) {
    const language = voice.language ?? "";
    byLanguage.set(language, [...(byLanguage.get(language) ?? []), voice]);
  }
  const several = [...byLanguage].filter(([, of]) => of.length > 1);
  const single = [...byLanguage.values()].filter((of) => of.length === 1).flat();
  single.sort((a, b) => languageOf(a).localeCompare(languageOf(b)));
  return [
    { label: "Your RVC voices", voices: voices.filter(({ type }) => type === "rvc") },
    { label: "Neural voices", voices: voices.filter(({ type }) => type === "neural") },
    ...several.map(([tag, of]) => ({ label: `Built-in · ${languageName(tag)}`, voices: of })),
    { label: several.length > 0 ? "Built-in · other languages" : "Built-in", voices: single },
  ].filter((group) => group.voices.length > 0);
}

/** @param {Voice} voice */
export function languageOf({ language }) {
  return language === null ? "" : languageName(language);
}

/** What a search goes through. @param {Voice} voice */
function searched(voice) {
  const { name, type, engine, language, gender, description, licence } = voice;
  const terms = voice.is_free ? "free" : "";
  return [name, type, engine, language, languageOf(voice), gender, description, licence, terms]
    .join(" ")
    .toLowerCase();
}

/** Whether a voice has every word of a search. @param {Voice} voice @param {string} search */
export function isFound(voice, search) {
  const text = searched(voice);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => (word === "male" ? voice.gender === word : text.includes(word)));
}
