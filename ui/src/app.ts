// What the parts of the page know of each other.

import type { Api } from "./api";
import type { Corrections } from "./corrections";
import type { Jobs } from "./jobs";
import type { Panes } from "./panes";
import type { Listener, Store } from "./state";
import type { Block, Bounds } from "./types";

export interface App {
  api: Api;
  store: Store;
  panes: Panes;
  corrections: Corrections;
  jobs: Jobs;
  /** Blocks of the open scene; filled a little after the scene is opened. */
  blocks: Block[];
  /** Be told of changes for as long as the scene is open. */
  watch: (listener: Listener) => void;
  /** Tell the user something, in the line below the map and to screen readers. */
  say: (text: string, kind?: "info" | "error") => void;
  /** Run what asks the server; an error is told. */
  attempt: <T>(work: () => Promise<T>) => Promise<T | undefined>;
  /** Open a scene by its id. */
  open: (id: string) => Promise<void>;
  /** Ask the server again which scenes there are. */
  refresh: () => Promise<void>;
  /** Zoom to a place and mark it. */
  visit: (bounds: Bounds | null) => void;
}

export interface Panel {
  id: string;
  title: string;
  /** The key that opens it. */
  key: string;
  /** Whether the open scene and the server have what it needs. */
  offered: (app: App) => boolean;
  /** Its content for the open scene. */
  make: (app: App) => HTMLElement;
}

/** The path of the open scene in the server. */
export function scenePath(app: App): string {
  return `/api/scenes/${encodeURIComponent(app.store.state.scene?.id ?? "")}`;
}
