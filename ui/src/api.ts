// Calls of the server: the token on each, one sentence for each error.

import type { Job } from "./types";

/** What the server, or the lack of one, says in a sentence; `status` is 0 where there was no answer. */
export class ApiError extends Error {
  constructor(
    sentence: string,
    readonly status: number,
  ) {
    super(sentence);
  }
}

const GONE = "The server does not answer. Is `urbanseg review` still running?";

async function sentence(response: Response): Promise<string> {
  try {
    const body = (await response.json()) as { error?: string };
    if (body.error) return body.error;
  } catch {
    // Not JSON: the status says enough.
  }
  return `The server answered with ${response.status}.`;
}

export interface Upload {
  done: Promise<Job>;
  cancel: () => void;
}

export class Api {
  constructor(
    private readonly token: string,
    readonly base: string,
  ) {}

  /** Headers for a call to our server, and for no other address. */
  headers(url: string): Record<string, string> {
    return url.startsWith(`${this.base}/api/`) ? { Authorization: `Bearer ${this.token}` } : {};
  }

  /** The JSON that the server answers. */
  async call<T>(path: string, init: RequestInit = {}): Promise<T> {
    const url = this.base + path;
    let response: Response;
    try {
      response = await fetch(url, { ...init, headers: { ...this.headers(url), ...init.headers } });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new ApiError(GONE, 0);
    }
    if (!response.ok) throw new ApiError(await sentence(response), response.status);
    return (response.status === 204 ? null : await response.json()) as T;
  }

  post<T>(path: string, body: unknown = {}): Promise<T> {
    const headers = { "Content-Type": "application/json" };
    return this.call<T>(path, { method: "POST", body: JSON.stringify(body), headers });
  }

  remove(path: string): Promise<unknown> {
    return this.call(path, { method: "DELETE" });
  }

  /** Send a file as it is; `told` gets the share that is sent, 0–1. */
  upload(path: string, file: File, told: (share: number) => void): Upload {
    const request = new XMLHttpRequest();
    const done = new Promise<Job>((resolve, reject) => {
      request.upload.onprogress = (event) => told(event.total ? event.loaded / event.total : 0);
      request.onload = () => {
        const body = request.response as (Job & { error?: string }) | null;
        if (request.status < 300 && body) resolve(body);
        else
          reject(new ApiError(body?.error ?? `The server answered with ${request.status}.`, request.status));
      };
      request.onerror = () => reject(new ApiError(GONE, 0));
      request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    });
    request.open("POST", this.base + path);
    request.responseType = "json";
    for (const [name, value] of Object.entries(this.headers(this.base + path)))
      request.setRequestHeader(name, value);
    request.send(file);
    return { done, cancel: () => request.abort() };
  }

  /** Let the browser download what lies at `path`. */
  async download(path: string, name: string): Promise<void> {
    const { url } = await this.post<{ url: string }>("/api/tickets", { path });
    const link = document.createElement("a");
    link.href = this.base + url;
    link.download = name;
    link.click();
  }
}
