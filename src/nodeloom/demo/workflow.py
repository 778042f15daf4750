"""A week of earthquakes, from a paged feed to a report: a workflow to read from top to bottom.

It does what most workflows do: it fetches pages until there are none left, does other things meanwhile, waits for
all of them, sends each item its own way, gathers what became of them, and writes a file. It runs as

    nodeloom demo                                               with a server of its own to fetch from
    nodeloom run nodeloom.demo.workflow:graph -i feed=http://...

A node is a definition; `>>` is an edge; `Graph(...)` is everything that can be reached from its first node.
"""

# pyright: reportUnusedExpression=false
# ruff: noqa: RUF012
# `a >> b` on a line of its own is an edge, and a State gives each run lists of its own.

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from nodeloom import Field, Graph, Node, Params, Route, State, append, extend, node
from nodeloom.library import CsvParse, FileWrite, HttpRequest, TemplateRender

from .figures import Frame, draw_magnitudes, draw_map, draw_week
from .geo import Window, distance_km
from .quakes import MODERATE, STRONG, Airport, Band, Quake, read_quake
from .report import TEMPLATE, contents, summary_of

__all__ = ["Week", "graph"]

Inputs = Mapping[str, Any]


# --- 1. State and inputs. The state flows along the edges. A key with a reducer gathers; any other is replaced.


class Settings(Params):
    """What a run takes."""

    feed: str = Field(label="Address of the feed")
    report: str = Field("report.html", label="Where to write the report")
    title: str = Field("Seven days of earthquakes", label="Title")


class Week(State):
    """What the nodes tell one another."""

    title: str = ""
    next: str = ""
    quakes: Annotated[list[Quake], extend] = []
    others: Annotated[list[str], extend] = []
    generated: int = 0
    airports: tuple[Airport, ...] = ()
    coast: dict[str, Any] = {}
    notes: Annotated[list[str], append] = []
    strong: Annotated[list[Quake], append] = []
    moderate: Annotated[list[Quake], append] = []
    minor: Annotated[list[Quake], append] = []
    summary: dict[str, Any] = {}


# --- 2. A loop: fetch a page, keep what it holds, and as long as it names a next one, go around.


@node(isolation="inline")
def begin(inputs: Inputs) -> Inputs:
    """Where to look, and the first page of the feed."""
    return {"feed": inputs["feed"], "next": f"{inputs['feed']}/earthquakes?page=1&size=200"}


fetch_page = HttpRequest(id="fetch_page", url="{{ state.next }}")


@node
def collect(inputs: Inputs) -> Inputs:
    """The earthquakes of one page; what else shook the ground is only counted."""
    page = inputs["json"]
    kinds = [each["properties"]["type"] for each in page["features"]]
    found = {
        "quakes": [
            read_quake(each) for each, kind in zip(page["features"], kinds, strict=True) if kind == "earthquake"
        ],
        "others": [kind for kind in kinds if kind != "earthquake"],
        "page": page["metadata"]["page"],
        "of": page["metadata"]["pages"],
        "generated": page["metadata"]["generated"],
    }
    return {**found, "next": page["next"]} if "next" in page else found


begin >> fetch_page >> collect
collect.on(next__exists=True) >> fetch_page


# --- 3. Meanwhile: three other branches. The airports are a graph of their own, used as one node.

fetch_airports = HttpRequest(id="fetch", url="{{ inputs.feed }}/airports.csv")
parse_airports = CsvParse(id="parse", text="{{ inputs.body }}", types={"latitude": "number", "longitude": "number"})


@node
def read_airports(inputs: Inputs) -> Inputs:
    """The airports as the map and the search want them: a tuple, which every branch may share."""
    return {"airports": tuple(_airport(row) for row in inputs["rows"])}


def _airport(row: Mapping[str, Any]) -> Airport:
    return {
        "code": row["iata"],
        "name": " ".join(row["name"].split()),
        "region": row["state"] if row["country"] == "USA" else row["country"],
        "longitude": row["longitude"],
        "latitude": row["latitude"],
    }


fetch_airports >> parse_airports >> read_airports
airports = Graph(fetch_airports, name="airports").as_node()
begin >> airports

fetch_coast = HttpRequest(id="fetch_coast", url="{{ inputs.feed }}/land.json")


@node
def read_coast(inputs: Inputs) -> Inputs:
    """Coastlines by their scale, each a list of rings."""
    features = inputs["json"]["features"]
    shapes = {each["properties"]["scale"]: each["geometry"]["coordinates"] for each in features}
    return {"coast": {scale: [ring for shape in shapes[scale] for ring in shape] for scale in shapes}}


begin >> fetch_coast >> read_coast

# This service answers 503. A failed step takes its error edge, if it has one, and the run goes on.
fetch_alerts = HttpRequest(id="fetch_alerts", url="{{ inputs.feed }}/alerts")


@node(isolation="inline")
def without_alerts() -> Inputs:
    """What to do when the alert service is away: say so, and count the alerts the feed itself names."""
    return {"notes": "The alert service did not answer; alerts are those that the feed itself names."}


begin >> fetch_alerts
fetch_alerts.on_error("HttpStatusError") >> without_alerts


# --- 4. A join, then a fan-out: a node with several edges in waits until nothing more can arrive. A Route sends as
#        many tokens as there are earthquakes, and of the edges of `grade` the first that holds takes each on.


@node
def triage(state: Week) -> Route:
    """One token for each earthquake."""
    return Route(to=[("grade", {"quake": quake}) for quake in state.quakes])


@node(isolation="inline", routing="first")
def grade(inputs: Inputs) -> Inputs:
    """The figure that the edges below look at."""
    return {"magnitude": inputs["quake"]["magnitude"], "quake": inputs["quake"]}


@node
def strong(inputs: Inputs, state: Week) -> Inputs:
    """A strong earthquake, with the nearest airport."""
    quake: Quake = inputs["quake"]
    here = quake["longitude"], quake["latitude"]
    distance, airport = min(
        ((distance_km(*here, each["longitude"], each["latitude"]), each) for each in state.airports),
        key=lambda found: found[0],
    )
    return {"strong": {**quake, "airport": airport, "distance": distance}}


@node(isolation="inline")
def moderate(inputs: Inputs) -> Inputs:
    """An earthquake that may have been felt."""
    return {"moderate": inputs["quake"]}


@node(isolation="inline")
def minor(inputs: Inputs) -> Inputs:
    """An earthquake that instruments felt."""
    return {"minor": inputs["quake"]}


[collect.otherwise(), airports, read_coast, fetch_alerts, without_alerts] >> triage
triage.may_route(grade)
grade.on(magnitude__gte=STRONG) >> strong
grade.on(magnitude__gte=MODERATE) >> moderate
grade.otherwise() >> minor


# --- 5. Another join: add up, draw in parallel, write. A class makes a node with params of its own.


def graded_of(state: Week) -> dict[Band, list[Quake]]:
    """The earthquakes by the way the edges sent them."""
    return {"minor": state.minor, "moderate": state.moderate, "strong": state.strong}


@node
def summarise(state: Week) -> Inputs:
    """The figures of the report."""
    summary = summary_of(
        graded_of(state),
        others=state.others,
        generated=state.generated,
        airports=len(state.airports),
        notes=state.notes,
    )
    return {"summary": summary}


class MapParams(Params):
    """Which part of the globe, and how large."""

    window: Window = Field(label="West, south, east, north")
    width: float = Field(label="Width in pixels")
    step: int = Field(label="Degrees between the lines")
    projection: Literal["equal_earth", "plate"] = "plate"
    scale: Literal["110m", "50m"] = "50m"


class DrawMap(Node):
    """A window of the globe with its airports and earthquakes."""

    def work(self, params: MapParams, state: Week) -> Inputs:
        frame = Frame(params.window, params.width, params.projection)
        rings = state.coast[params.scale]
        return {"map": draw_map(frame, params.step, rings, state.airports, graded_of(state))}


@node
def draw_charts(state: Week) -> Inputs:
    """The histogram, and the week from day to day."""
    return {"magnitudes": draw_magnitudes(graded_of(state)), "week": draw_week(graded_of(state))}


@node
def arrange(ctx: Any) -> Inputs:
    """Everything the template needs, by name."""
    return contents(ctx.outputs, ctx.state.summary, ctx.state.title)


world = DrawMap(
    id="draw_world", window=(-30, -77, 330, 87), width=1120, step=30, projection="equal_earth", scale="110m"
)
alaska = DrawMap(id="draw_alaska", window=(-189, 50.5, -130, 71.5), width=422, step=10)
west = DrawMap(id="draw_west", window=(-126.5, 31.5, -105, 49.5), width=281, step=5)
taiwan = DrawMap(id="draw_taiwan", window=(119.6, 22.3, 123.2, 25.7), width=299, step=1)
drawings = [world, alaska, west, taiwan, draw_charts]

compose = TemplateRender(id="compose", template=TEMPLATE, values="{{ inputs }}", escape="html")
save = FileWrite(id="save", path="{{ run.inputs.report }}", content="{{ outputs.compose.text }}", make_parents=True)

[strong, moderate, minor] >> summarise >> drawings >> arrange >> compose >> save

graph = Graph(begin, name="earthquakes", inputs=Settings, state=Week)
