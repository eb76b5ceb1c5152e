// Drafts and unsent labels in IndexedDB, and the sending of them.
//
// A label is put into the queue before it is sent and leaves it only when the server has acknowledged it. Each carries
// a key of its own, so that sending twice saves once. Entries belong to an account: nobody sends somebody else's.

const DATABASE = "emomm-annotate";

function open() {
  return new Promise((resolve, reject) => {
    if (!globalThis.indexedDB) {
      reject(new Error("no IndexedDB"));
      return;
    }
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("queue", { keyPath: "key" });
      request.result.createObjectStore("drafts", { keyPath: "id" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
}

let database;

async function store(name, mode, work) {
  database ??= open();
  const db = await database;
  return new Promise((resolve, reject) => {
    // A label must be on the disk; a draft must be kept before the page is left, even in the middle of a word.
    const durability = name === "queue" ? "strict" : "relaxed";
    const transaction = db.transaction(name, mode, { durability });
    const request = work(transaction.objectStore(name));
    transaction.commit?.();
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = () => reject(transaction.error);
    transaction.onabort = () => reject(transaction.error);
  });
}

// Whether this browser keeps anything.
export async function isKept() {
  try {
    database ??= open();
    await database;
    return true;
  } catch {
    return false;
  }
}

export const drafts = {
  get: (id) => store("drafts", "readonly", (s) => s.get(id)).catch(() => undefined),
  put: (draft) => store("drafts", "readwrite", (s) => s.put(draft)).catch(() => undefined),
  remove: (id) => store("drafts", "readwrite", (s) => s.delete(id)).catch(() => undefined),
};

// For a browser that keeps nothing: what is unsent lives as long as the page.
const memory = new Map();

export const queue = {
  async put(entry) {
    memory.set(entry.key, entry);
    await store("queue", "readwrite", (s) => s.put(entry)).catch(() => undefined);
  },
  async remove(key) {
    memory.delete(key);
    await store("queue", "readwrite", (s) => s.delete(key)).catch(() => undefined);
  },
  async all(owner) {
    const kept = await store("queue", "readonly", (s) => s.getAll()).catch(() => []);
    const entries = new Map([...memory, ...kept.map((entry) => [entry.key, entry])]);
    return [...entries.values()].filter((entry) => entry.owner === owner).sort((a, b) => a.at - b.at);
  },
};

// What came of sending: "ok", "signed-out", "offline", "storage", "busy", or why the server will never take it:
// "answered", "gone", "not-played", "refused".
export async function send(entry) {
  let response;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), 15000);
  try {
    response = await fetch("/api/submit", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      // With its owner: somebody else may have signed in, in another tab.
      body: JSON.stringify({ ...entry.body, queue: entry.owner }),
      signal: stop.signal,
      credentials: "same-origin",
      redirect: "error",
    });
  } catch {
    return { outcome: "offline" };
  } finally {
    clearTimeout(timer);
  }
  let answer = {};
  try {
    answer = await response.json();
  } catch {
    // Something between here and the server answered.
    if (response.ok) return { outcome: "offline" };
  }
  if (response.ok && answer.ok === true) return { outcome: "ok", feedback: answer.feedback };
  switch (response.status) {
    case 401: return { outcome: "signed-out" };
    // Only the server's own answer to this owner says that an item is gone; a lead or a proxy gets 404 too.
    case 404: return { outcome: answer.queue === entry.owner ? "gone" : "signed-out" };
    case 409: return { outcome: answer.error === "answered" ? "answered" : "refused" };
    case 422: return { outcome: answer.error === "not-played" ? "not-played" : "refused" };
    case 400: case 413: return { outcome: "refused" };
    case 503: return { outcome: answer.error === "storage" ? "storage" : "busy" };
    default: return { outcome: "busy" };
  }
}
