// The key of a server that asks for one: asked of the listener, and kept as long as the tab.

const NAME = "voice-server-key";

// Fetch, with the key if there is one. Asks for it while the server does; null: none was given.
export async function fetchWithKey(path, init = {}) {
  for (;;) {
    const key = sessionStorage.getItem(NAME);
    const headers = { ...init.headers, ...(key && { Authorization: `Bearer ${key}` }) };
    const answer = await fetch(path, { ...init, headers });
    if (answer.status !== 401) return answer;
    const given = prompt(key ? "That key is wrong. The key of this server:" : "The key of this server:");
    if (given === null) return null;
    sessionStorage.setItem(NAME, given.trim());
  }
}

// Put the key into the URL of a WebSocket, to which a page can add no header.
export function addKey(url) {
  const key = sessionStorage.getItem(NAME);
  if (key) url.searchParams.set("key", key);
}
