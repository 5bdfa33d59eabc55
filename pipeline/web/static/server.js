// How this page reaches its server, and with which key.

const KEY_ITEM = "key"; // forgotten with the tab

/** @param {string} key */
export function useKey(key) {
  sessionStorage.setItem(KEY_ITEM, key.trim());
}

/** @param {string} path */
export function ask(path) {
  const key = sessionStorage.getItem(KEY_ITEM);
  return fetch(path, { headers: key === null ? {} : { authorization: `Bearer ${key}` } });
}

/** Of a stream with events. A page cannot add a header to a WebSocket: the key is in its URL. */
export function streamUrl() {
  const url = new URL("/ws/stream?events=true", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const key = sessionStorage.getItem(KEY_ITEM);
  if (key !== null) url.searchParams.set("key", key);
  return url;
}

/** Ask by HTTP what a browser does not tell of a refused WebSocket; an answer in words. */
export async function whyRefused() {
  try {
    for (const path of ["/health/ready", "/api/voices"]) {
      const answer = await ask(path);
      if (!answer.ok) {
        const { reason, error } = await answer.json();
        return `The server refuses: ${reason ?? error}.`;
      }
    }
    return "The server refuses: all its places may be taken.";
  } catch {
    return "No answer from the server.";
  }
}
