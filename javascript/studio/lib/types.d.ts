// types.d.ts – the JSON of the routes below /ti/ (docs/rest.md), and the shapes that several modules share.

/** A number that JSON has as null where it is NaN or infinite. */
export type MaybeNumber = number | null;

// GET /ti/cards

/** A card. Fields with their default are left out. */
export interface CardRow {
  id: string;
  word: string;
  /** Path inside the embeddings folder. */
  file: string;
  state?: EntryState;
  reason?: string | null;
  conflict?: string | null;
  vectors?: number | null;
  family?: string | null;
  step?: number | null;
  size: number;
  modified: number;
  created: number;
  used?: number;
  /** Address of the small preview, relative to `/ti/`. */
  picture?: string | null;
  description?: string;
  tags?: string[];
  weight?: number | null;
  negative?: boolean;
}

export type EntryState = "usable" | "incompatible" | "unreadable";

export interface CardsView {
  folder: string;
  checkpoint: string | null;
  all: number;
  total: number;
  offset: number;
  cards: CardRow[];
}

// GET and PATCH /ti/embeddings/{id}, and the routes below it

export interface EmbeddingDetails {
  id: string;
  word: string;
  file: string;
  state: EntryState;
  reason: string | null;
  conflict: string | null;
  vectors_per_token: number | null;
  family: string | null;
  step: number | null;
  size: number;
  modified: number;
  sha256: string | null;
  preview: string | null;
  folder: string;
  created: number;
  used: number | null;
  in_training: boolean;
  description: string;
  notes: string;
  tags: string[];
  preferred_weight: number | null;
  negative: boolean;
  card_problem: string | null;
  trigger: string | null;
  base_checkpoint: string | null;
  initialization_text: string | null;
  trained: string | null;
  inside_preview: string | null;
}

/** The fields of the card editor: the body of PATCH, and the new word and folder. */
export interface CardEdit {
  word: string;
  folder: string;
  description: string;
  notes: string;
  tags: string[];
  preferred_weight: number;
  negative: boolean;
}

export interface PreviewChanged {
  embedding: EmbeddingDetails;
  trash: string | null;
}

// /ti/trash

export interface TrashedView {
  id: string;
  name: string;
  folder: string;
  deleted: number;
}

// /ti/jobs

export type JobStatus = "queued" | "running" | "stopping" | "finished" | "stopped" | "failed" | "crashed";

export interface PreviewView {
  step: number;
  index: number;
  prompt: string;
  seed: number;
  url_name: string;
}

export interface ValidationView {
  step: number;
  loss: MaybeNumber;
}

export interface SnapshotView {
  step: number;
  path: string;
}

export interface JobView {
  id: string;
  name: string;
  status: JobStatus;
  created: number;
  step: number;
  max_steps: number;
  loss: MaybeNumber;
  smoothed_loss: MaybeNumber;
  learning_rate: MaybeNumber;
  grad_norm: MaybeNumber;
  vector_norm: MaybeNumber;
  steps_per_second: MaybeNumber;
  seconds_left: MaybeNumber;
  elapsed: MaybeNumber;
  checkpoint: string | null;
  device: string | null;
  precision: string | null;
  pictures: number | null;
  message: string | null;
  warnings: string[];
  previews: PreviewView[];
  validations: ValidationView[];
  best_step: number | null;
  snapshots: SnapshotView[];
  embedding: string | null;
  more_embeddings: string[];
  reason: string | null;
  early: string | null;
  can_resume: boolean;
  queue_position: number | null;
}

export interface LossPoint {
  step: number;
  loss: MaybeNumber;
  smoothed_loss: MaybeNumber;
  learning_rate: MaybeNumber;
}

export interface JobReport {
  job: JobView | null;
  curve: LossPoint[];
}

// GET /ti/presets

/** The values of a form or of a preset, by the name of their field. */
export type FormValues = Record<string, unknown>;

export interface PresetView {
  name: string;
  purpose: string;
  source: string;
  values: FormValues;
  suggested: string[];
}

// POST /ti/suggestions

export interface SuggestionView {
  text: string;
  loss: MaybeNumber;
}

export interface SuggestionsView {
  best: SuggestionView[];
  current: SuggestionView | null;
  pictures: number;
  words: number;
  samples: number;
  complete: boolean;
}

// POST /ti/prompts/tokens

export interface TokenCountView {
  used: number;
  room: number;
}

export interface TokenCountsView {
  prompt: TokenCountView;
  negative_prompt: TokenCountView;
}

// /ti/tools

export interface FoundEmbedding {
  id: string;
  word: string;
  file: string;
  family: string | null;
  vectors_per_token: number | null;
}

export interface RowView {
  encoder: string;
  number: number;
  norm: number;
}

export interface NeighbourView {
  word: string;
  cosine: number;
}

export interface ComparedRow extends RowView {
  relative_norm: number;
  nearest: NeighbourView[];
}

export interface InspectionView extends FoundEmbedding {
  step: number | null;
  widths: Record<string, number>;
  size: number;
  modified: number;
  sha256: string;
  rows: RowView[];
  metadata: Record<string, string>;
  request: Record<string, unknown> | null;
}

export interface ComparisonView {
  checkpoint: string;
  rows: ComparedRow[];
}

export interface SofteningView {
  strength: number;
  /** PNG in base64. */
  image: string;
}

// /ti/extensions

export interface ExtensionView {
  name: string;
  enabled: boolean;
  loaded: boolean;
  commit: string;
  date: string;
  remote: string;
  problems: string[];
  remarks: string[];
}

export interface ExtensionsView {
  folder: string;
  disabled_by: string;
  only_shown: string;
  settings_problem: string;
  restart_needed: boolean;
  extensions: ExtensionView[];
}

// /ti-studio-bridge/status, in another WebUI

export interface BridgeStatus {
  state: "off" | "installing" | "starting" | "ready" | "failed";
  text: string;
  log: string[];
  progress: string;
  /** Address of the page's modules below `ti-studio/`; empty unless the studio is ready. */
  modules: string;
  completion: boolean;
}

// Shared by modules of the page

/** Which cards are requested, in which order: the query of GET /ti/cards. */
export interface CardQuery {
  sort: string;
  descending: boolean;
  folder: string;
  fits: boolean;
}

/** The library's cards: all of them, or the first while the rest is loading. */
export interface Library extends CardsView {
  complete: boolean;
}

export interface CardLibrary {
  /** Calls a listener with the library each time it has changed. */
  subscribe(listener: (library: Library) => void): void;
  /** Loads all cards again; with a query, its first cards before them. */
  load(query?: CardQuery | null): Promise<void>;
  /** Loads the first cards of a query, unless all cards are there. */
  loadFirst(query: CardQuery): Promise<void>;
  get(): Library;
}

/** A card, and its cell in the grid. */
export interface CardCell {
  card: CardRow;
  cell: HTMLElement;
}

/** Finds the card that an event's target belongs to. */
export type CardOf = (target: EventTarget | null) => CardRow | null;

/** Reverts a change. */
export type Undo = () => Promise<unknown>;
