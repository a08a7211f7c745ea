"""Scores of a road network: completeness, correctness, connectivity and path lengths.

Lengths near the other network are compared by `road_matching`, path lengths by `apls`, and
connectivity here. A pair of reference nodes that is joined by some road stays connected if both
nodes have a predicted road nearby and these roads are joined too. Being connected is an
equivalence, so the pairs need not be sampled: counting nodes per pair of components
gives the exact share. All counts add up over areas.
"""

from dataclasses import dataclass, field, replace

import networkx as nx
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray

from urbanseg.config.evaluate import RoadScoreParams
from urbanseg.config.vectorize import RoadParams
from urbanseg.metrics.apls import PathSums, compare_paths
from urbanseg.metrics.road_matching import MatchedLengths, match_lengths
from urbanseg.roads.repair import centre_network, repair_network
from urbanseg.roads.skeleton import RoadGraph, road_graph
from urbanseg.roads.surface import CERTAIN, Surface


@dataclass(frozen=True)
class NetworkSize:
    """Size of a road network: lengths in metres; `largest_m` is the largest component's."""

    length_m: float = 0.0
    largest_m: float = 0.0
    components: int = 0

    def __add__(self, other: "NetworkSize") -> "NetworkSize":
        return NetworkSize(
            self.length_m + other.length_m,
            self.largest_m + other.largest_m,
            self.components + other.components,
        )

    @property
    def largest_share(self) -> float:
        """Share of the length in the largest component (of each area); NaN without roads."""
        return self.largest_m / self.length_m if self.length_m else float("nan")

    @property
    def components_per_km(self) -> float:
        """Components per kilometre of road; NaN without roads."""
        return self.components / (self.length_m / 1000) if self.length_m else float("nan")


@dataclass(frozen=True)
class SkeletonScores:
    """The predicted network before its repair: connected pairs, and lengths in metres."""

    pairs_connected: int = 0
    lengths: MatchedLengths = field(default_factory=MatchedLengths)

    def __add__(self, other: "SkeletonScores") -> "SkeletonScores":
        return SkeletonScores(self.pairs_connected + other.pairs_connected, self.lengths + other.lengths)


@dataclass(frozen=True)
class RoadScores:
    """Both networks, reference nodes with a predicted road nearby, node pairs, lengths and paths.

    `skeleton` stays empty where the prediction is compared as it is.
    """

    reference: NetworkSize = NetworkSize()
    prediction: NetworkSize = NetworkSize()
    nodes: int = 0
    nodes_matched: int = 0
    pairs: int = 0
    pairs_connected: int = 0
    lengths: MatchedLengths = field(default_factory=MatchedLengths)
    paths: PathSums = field(default_factory=PathSums)
    skeleton: SkeletonScores = field(default_factory=SkeletonScores)

    def __add__(self, other: "RoadScores") -> "RoadScores":
        return RoadScores(
            self.reference + other.reference,
            self.prediction + other.prediction,
            self.nodes + other.nodes,
            self.nodes_matched + other.nodes_matched,
            self.pairs + other.pairs,
            self.pairs_connected + other.pairs_connected,
            self.lengths + other.lengths,
            self.paths + other.paths,
            self.skeleton + other.skeleton,
        )

    @property
    def connectivity(self) -> float:
        """Share of connected reference node pairs that stay connected; NaN without pairs."""
        return self.pairs_connected / self.pairs if self.pairs else float("nan")


def compare_masks(
    reference: NDArray[np.bool_],
    prediction: NDArray[np.bool_],
    probability: NDArray[np.uint8],
    pixel_m: tuple[float, float],
    rules: RoadScoreParams,
    repair: RoadParams,
) -> RoadScores:
    """Compare the centre lines of two road masks, the predicted ones as they are repaired for the map.

    Args:
        reference: ``(height, width)`` bool, True on road.
        prediction: same, predicted.
        probability: of road, ``(height, width)`` uint8, 0–254 for 0–1, 255 unknown.
        pixel_m: height and width of a pixel in metres.
        rules: see `compare`.
        repair: of the prediction, see `urbanseg.roads.repair`; dead ends shorter than its
            `min_spur_m` are pruned from the reference, too.

    Returns:
        Scores of the repaired prediction, and those of its skeleton before the repair.
    """
    height_m, width_m = pixel_m
    to_metres = Affine.scale(width_m, -height_m)
    certain = np.where(reference, CERTAIN, 0).astype(np.uint8)
    target, source = _surface(reference, certain, to_metres), _surface(prediction, probability, to_metres)
    roads, skeleton = (
        centre_network(road_graph(mask, to_metres, min_spur=repair.min_spur_m), surface)
        for mask, surface in ((reference, target), (prediction, source))
    )
    before = SkeletonScores(
        _matched_nodes(roads, skeleton, rules.connectivity_snap_m)[1],
        match_lengths(_lines(roads), _lines(skeleton), rules.buffer_m),
    )
    repaired = repair_network(road_graph(prediction, to_metres), source, repair)
    return replace(compare(roads, repaired, rules), skeleton=before)


def _surface(mask: NDArray[np.bool_], probability: NDArray[np.uint8], transform: Affine) -> Surface:
    height, width = mask.shape
    return Surface.of(
        lambda window: mask[window.slices],
        lambda window: probability[window.slices],
        (height, width),
        transform,
    )


def compare(reference: RoadGraph, prediction: RoadGraph, rules: RoadScoreParams) -> RoadScores:
    """Compare two road graphs whose coordinates and lengths are metres.

    Args:
        reference: nodes hold `x` and `y`, edges `geometry` and `length`.
        prediction: same.
        rules: `connectivity_snap_m`: a reference node is matched to the nearest predicted road
            within this distance, and without one counts as not connected. The
            others are those of `road_matching.match_lengths` and `apls.compare_paths`.

    Returns:
        Counts and lengths of both networks; they add up over areas.
    """
    of_reference, of_prediction = _component_of(reference), _component_of(prediction)
    matched, connected = _matched_nodes(reference, prediction, rules.connectivity_snap_m)
    return RoadScores(
        reference=_network(reference, of_reference),
        prediction=_network(prediction, of_prediction),
        nodes=len(reference),
        nodes_matched=matched,
        pairs=_pairs(np.array(list(of_reference.values()))),
        pairs_connected=connected,
        lengths=match_lengths(_lines(reference), _lines(prediction), rules.buffer_m),
        paths=compare_paths(
            reference,
            prediction,
            snap_m=rules.apls_snap_m,
            spacing_m=rules.apls_spacing_m,
            min_path_m=rules.apls_min_path_m,
        ),
    )


def _matched_nodes(reference: RoadGraph, prediction: RoadGraph, snap_m: float) -> tuple[int, int]:
    """Reference nodes with a predicted road nearby, and their pairs that are joined in both networks."""
    nearest = _nearest_component(reference, prediction, _component_of(prediction), snap_m)
    joint = np.column_stack([list(_component_of(reference).values()), nearest])[nearest >= 0]
    return len(joint), _pairs(joint)


def _lines(graph: RoadGraph) -> NDArray[np.object_]:
    return np.array([data["geometry"] for *_, data in graph.edges(data=True)], dtype=object)


def _component_of(graph: RoadGraph) -> dict[int, int]:
    """Component of each node, nodes in the graph's order."""
    component = {node: i for i, nodes in enumerate(nx.connected_components(graph)) for node in nodes}
    return {node: component[node] for node in graph}


def _network(graph: RoadGraph, component: dict[int, int]) -> NetworkSize:
    lengths = np.zeros(len(set(component.values())))
    for node, _, data in graph.edges(data=True):
        lengths[component[node]] += data["length"]
    return NetworkSize(float(lengths.sum()), float(lengths.max(initial=0)), len(lengths))


def _nearest_component(
    reference: RoadGraph, prediction: RoadGraph, component: dict[int, int], snap_m: float
) -> NDArray[np.int64]:
    """Predicted component nearest to each reference node, -1 where none is within reach."""
    nearest = np.full(len(reference), -1, np.int64)
    if not reference or not prediction:
        return nearest
    roads = [(data["geometry"], component[node]) for node, _, data in prediction.edges(data=True)]
    roads += [
        (shapely.Point(data["x"], data["y"]), component[node])
        for node, data in prediction.nodes(data=True)
        if not prediction.degree(node)
    ]
    geometries, owners = zip(*roads, strict=True)
    points = shapely.points([(data["x"], data["y"]) for _, data in reference.nodes(data=True)])
    node, road = shapely.STRtree(geometries).query_nearest(points, max_distance=snap_m, all_matches=False)
    nearest[node] = np.array(owners)[road]
    return nearest


def _pairs(groups: NDArray[np.int64]) -> int:
    """Number of pairs of equal rows (or values)."""
    sizes = np.unique(groups, axis=0, return_counts=True)[1] if len(groups) else np.zeros(0, np.int64)
    return int((sizes * (sizes - 1) // 2).sum())
