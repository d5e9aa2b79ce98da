// Requests to the server. An error names the problem and a remedy.

const MAX_FILE = 19 * 2 ** 20; // bytes; the server accepts a little more

/** A request that failed, or was not answered. */
class ApiError extends Error {
  constructor(problem, remedy = "", status = 0) {
    super(problem);
    this.problem = problem;
    this.remedy = remedy;
    this.status = status;
  }
}

async function call(method, url, body) {
  const request = { method, headers: { Accept: "application/json" } };
  if (body instanceof FormData) request.body = body;
  else if (body !== undefined) {
    request.headers["Content-Type"] = "application/json";
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(url, request);
  } catch {
    throw new ApiError("The server does not answer.", "Check that egem serve is running, then try again.");
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const { problem, remedy } = answer?.error ?? {};
  throw new ApiError(problem ?? `The server answered ${response.status}.`, remedy, response.status);
}

async function upload(url, files, field) {
  const bytes = files.reduce((sum, { file }) => sum + file.size, 0);
  if (bytes > MAX_FILE) {
    const what = files.length === 1 ? `${files[0].file.name} has` : `The ${files.length} files have`;
    const size = `${what} ${Math.round(bytes / 2 ** 20)} MB; the limit is ${MAX_FILE / 2 ** 20} MB.`;
    throw new ApiError(size, "Use egem fit on the command line for large files.");
  }
  const form = new FormData();
  for (const { file, path: name } of files) form.append(field, file, name);
  return call("POST", url, form);
}

/** Address of the recordings, or of something about them. */
export const dataPath = (id, what = "") => `/api/data/${encodeURIComponent(id)}${what && `/${what}`}`;

const path = (label) => `/api/classes/${encodeURIComponent(label)}`;

export const api = {
  state: () => call("GET", "/api/state"),
  start: (content) => call("POST", "/api/start", { with: content }),
  train: (label, strokes) => call("POST", "/api/train", { label, strokes }),
  rename: (label, to) => call("POST", `${path(label)}/rename`, { to }),
  removeCase: (label, i) => call("POST", `${path(label)}/remove-case`, { case: i }),
  remove: (label) => call("DELETE", path(label)),
  undo: () => call("POST", "/api/undo"),
  cases: (label) => call("GET", `${path(label)}/cases`),
  classify: (stroke) => call("POST", "/api/classify", { stroke }),
  codes: (label) => call("GET", `${path(label)}/codes`),
  imagine: (label, at) => call("POST", `${path(label)}/imagine`, { at }),
  confusions: () => call("GET", "/api/confusions"),
  loadModel: (file) => upload("/api/model", [{ file, path: file.name }], "file"),
  upload: (files, query) => upload(`/api/data?${new URLSearchParams(query)}`, files, "files"),
  spot: (files, query) => upload(`/api/stream?${new URLSearchParams(query)}`, files, "files"),
  data: (id) => call("GET", dataPath(id)),
  edit: (id, recordings, changes) => call("PATCH", dataPath(id), { recordings, ...changes }),
  deleteData: (id) => call("DELETE", dataPath(id)),
  fit: (id) => call("POST", dataPath(id, "fit")),
  recognise: (id, recordings) => call("POST", dataPath(id, "classify"), { recordings }),
  teach: (id, recording, label) => call("POST", dataPath(id, "teach"), { recording, label }),
};
