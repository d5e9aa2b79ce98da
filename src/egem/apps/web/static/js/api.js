// What the page asks of the server. Refusals come as errors that say what was wrong and what helps.

const LARGEST = 19 * 2 ** 20; // bytes of a file; the server takes a little more

/** An answer that is no success, or no answer. */
class Refusal extends Error {
  constructor(what, remedy = "", status = 0) {
    super(what);
    this.what = what;
    this.remedy = remedy;
    this.status = status;
  }
}

async function call(method, path, body) {
  const request = { method, headers: { Accept: "application/json" } };
  if (body instanceof FormData) request.body = body;
  else if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch {
    throw new Refusal("The server does not answer.", "See that egem serve still runs, then try again.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const { what, remedy } = answer?.error ?? {};
  throw new Refusal(what ?? `The server answered ${response.status}.`, remedy, response.status);
}

async function upload(path, file) {
  if (file.size > LARGEST) {
    const size = `${file.name} has ${Math.round(file.size / 2 ** 20)} MB, more than the page takes (${LARGEST / 2 ** 20} MB).`;
    throw new Refusal(size, "For large files there is egem fit on the command line.");
  }
  const form = new FormData();
  form.append("file", file);
  return call("POST", path, form);
}

const of = (label) => `/api/classes/${encodeURIComponent(label)}`;

export const api = {
  state: () => call("GET", "/api/state"),
  start: (what) => call("POST", "/api/start", { with: what }),
  teach: (label, strokes) => call("POST", "/api/teach", { label, strokes }),
  rename: (label, to) => call("POST", `${of(label)}/rename`, { to }),
  forget: (label, i) => call("POST", `${of(label)}/forget`, { case: i }),
  remove: (label) => call("DELETE", of(label)),
  undo: () => call("POST", "/api/undo"),
  cases: (label) => call("GET", `${of(label)}/cases`),
  recognise: (stroke) => call("POST", "/api/recognise", { stroke }),
  codes: (label) => call("GET", `${of(label)}/codes`),
  imagine: (label, at) => call("POST", `${of(label)}/imagine`, { at }),
  confusions: () => call("GET", "/api/confusions"),
  loadModel: (file) => upload("/api/model", file),
  upload: (file) => upload("/api/data", file),
  data: (id) => call("GET", `/api/data/${encodeURIComponent(id)}`),
  fit: (id, k, seed) => call("POST", `/api/data/${encodeURIComponent(id)}/fit`, { k, seed }),
};
