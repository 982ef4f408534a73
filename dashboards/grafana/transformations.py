"""Transformations of query results, by Grafana's ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dashboards.grafana.json import Json

_LAST = "lastNotNull"


def _step(id: str, options: Json, ref: str | None = None) -> Json:
    return {"id": id, "filter": {"id": "byRefId", "options": ref} if ref else None, "options": options}


def join_by_labels(value: str, join: Sequence[str], ref: str | None = None) -> Json:
    """Number fields named after the label `value`, one row for each set of the labels `join`."""
    return _step("joinByLabels", {"value": value, "join": list(join)}, ref)


def merge(ref: str | None = None) -> Json:
    """One table out of many that share columns."""
    return _step("merge", {}, ref)


def organize(
    order: Sequence[str] = (),
    *,
    rename: Mapping[str, str] | None = None,
    exclude: Sequence[str] = (),
    ref: str | None = None,
) -> Json:
    """Columns in this order, under these names, without those."""
    return _step(
        "organize",
        {
            "indexByName": {name: index for index, name in enumerate(order)},
            "renameByName": dict(rename or {}),
            "excludeByName": dict.fromkeys(exclude, True),
        },
        ref,
    )


def convert(types: Mapping[str, str], ref: str | None = None) -> Json:
    """Fields as another type: number, string, time, boolean."""
    conversions = [{"targetField": field, "destinationType": type_} for field, type_ in types.items()]
    return _step("convertFieldType", {"conversions": conversions, "fields": {}}, ref)


def series_table(stats: Mapping[str, str], time_field: str = "Time") -> Json:
    """Each series of these queries as one cell, `Trend #ref`, to be drawn as a sparkline.

    Only they are handed to it: of an empty answer of another query it would make a column.
    """
    options = {ref: {"timeField": time_field, "stat": stat} for ref, stat in stats.items()}
    return _step("timeSeriesTable", options, "|".join(stats))


def grouping_to_matrix(
    column: str, row: str, value: str, *, empty: str = "null", ref: str | None = None
) -> Json:
    """A field for each value of `column`, a row for each value of `row`."""
    return _step(
        "groupingToMatrix",
        {"columnField": column, "rowField": row, "valueField": value, "emptyValue": empty},
        ref,
    )


def rows_by(keys: Sequence[str], values: Sequence[str], ref: str | None = None) -> Json:
    """One row for each set of the keys, with the last value of each field, which is then named `last_of(field)`.

    A table without its keys is left out: of empty answers Grafana makes columns without rows, and then says nothing.
    """
    fields: Json = {key: {"operation": "groupby", "aggregations": []} for key in keys}
    fields |= {value: {"operation": "aggregate", "aggregations": [_LAST]} for value in values}
    return _step("groupBy", {"fields": fields}, ref)


def last_of(field: str) -> str:
    """What `rows_by` calls a field."""
    return f"{field} ({_LAST})"


def join_by_field(field: str, mode: str = "outer") -> Json:
    return _step("joinByField", {"byField": field, "mode": mode})


def calculate(left: str, operator: str, right: str, *, name: str) -> Json:
    """A field out of two others, row by row. A null counts as zero, so map what that gives."""
    fields = {
        side: {"matcher": {"id": "byName", "options": field}}
        for side, field in (("left", left), ("right", right))
    }
    return _step(
        "calculateField", {"mode": "binary", "alias": name, "binary": {**fields, "operator": operator}}
    )


def without_rows_where_null(field: str) -> Json:
    """Rows that have this field."""
    return _step(
        "filterByValue",
        {
            "type": "exclude",
            "match": "any",
            "filters": [{"fieldName": field, "config": {"id": "isNull", "options": {}}}],
        },
    )


def without_rows_where(field: str, value: str) -> Json:
    """Rows whose field is not this."""
    equal = {"id": "equal", "options": {"value": value}}
    return _step(
        "filterByValue",
        {"type": "exclude", "match": "any", "filters": [{"fieldName": field, "config": equal}]},
    )


def partition(fields: Sequence[str], *, as_labels: bool = True) -> Json:
    """One frame for each value of the fields."""
    return _step(
        "partitionByValues", {"fields": list(fields), "keepFields": False, "naming": {"asLabels": as_labels}}
    )


def sort_by(field: str, *, desc: bool = False) -> Json:
    return _step("sortBy", {"fields": {}, "sort": [{"field": field, "desc": desc}]})


def with_fields() -> Json:
    """Frames that have a field. Of an empty one, timelines would say what it lacks, and not what `no_value` says."""
    return _step("filterFieldsByName", {"include": {"pattern": ".*"}})


def limit(rows: int) -> Json:
    return _step("limit", {"limitField": rows})
