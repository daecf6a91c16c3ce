import type { Mesh } from '../src/mesh/mesh.ts';
import type { Lane } from '../src/store/lane.ts';
import type { Volume } from '../src/store/volume.ts';
import type { Model } from './store.ts';

/** A fault planted at a seam, to see that the checkers find it. */
export interface Break {
  readonly prepare?: (model: Model) => void;
  readonly store?: (volume: Volume) => Volume;
  readonly lane?: (lane: Lane) => Lane;
  readonly mesh?: (mesh: Mesh) => Mesh;
}
