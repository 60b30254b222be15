// Requests to the server that served the page, and to nobody else. Paths are relative to the page, so that it also works below a
// prefix of a proxy. Errors are ApiError with the server's own words.

export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

export type Params = Record<string, string | number | undefined>;

// The tenant, where the server wants one named; kept for the tab only.
export function tenant(): string {
  return sessionStorage.getItem("skald.tenant") ?? "";
}

export function setTenant(name: string): void {
  if (name) sessionStorage.setItem("skald.tenant", name);
  else sessionStorage.removeItem("skald.tenant");
}

export function url(path: string, params: Params = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) if (value !== undefined) search.set(key, String(value));
  const text = search.toString();
  return new URL(path.replace(/^\//, "") + (text ? `?${text}` : ""), document.baseURI.split(/[?#]/)[0]).toString();
}

async function request(path: string, params: Params, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { "X-Loki-Response-Encoding-Flags": "categorize-labels", "X-Query-Tags": "Source=skald-page" };
  if (tenant()) headers["X-Scope-OrgID"] = tenant();
  let response: Response;
  try {
    response = await fetch(url(path, params), { headers, signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "the server does not answer");
  }
  if (!response.ok) throw new ApiError(response.status, messageOf((await response.text()).trim()) || response.statusText);
  return response;
}

function messageOf(body: string): string {
  if (!body.startsWith("{")) return body;
  try {
    const parsed = JSON.parse(body) as { error?: string; message?: string };
    return parsed.error || parsed.message || body;
  } catch {
    return body;
  }
}

export async function getJson<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  return (await (await request(path, params, signal)).json()) as T;
}

export async function getText(path: string, params: Params = {}, signal?: AbortSignal): Promise<string> {
  return (await request(path, params, signal)).text();
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
