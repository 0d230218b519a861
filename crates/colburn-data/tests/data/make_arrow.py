"""Writes the Arrow files of the tests beside this script: python make_arrow.py (pyarrow, datasets, pandas)."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
from datasets import Dataset, DatasetDict

HERE = Path(__file__).parent

# A stream with `state.json` and `dataset_info.json`, and two splits of such.
rows = {"query": ["a", "é", "c"], "positive": ["x", None, "z"], "n": [1, 2, None], "ids": [[1, 2], [], [3]]}
shutil.rmtree(HERE / "dict", ignore_errors=True)
saved = DatasetDict({"train": Dataset.from_dict(rows), "test": Dataset.from_dict({"query": ["t"], "positive": ["u"]})})
saved.save_to_disk(HERE / "dict", num_shards={"train": 2, "test": 1})
for path in (HERE / "dict").rglob("*.json"):
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1) + "\n")

# Every type that Arrow has beside those of Parquet, in record batches of two rows, compressed by lz4.
table = pa.table(
    {
        "category": pa.array(["b", "a", None, "b", "c"]).dictionary_encode(),
        "large": pa.array(["1", "2", "3", "4", "é"], pa.large_string()),
        "view": pa.array(["short", "a text that is longer than twelve bytes", None, "", "é"], pa.string_view()),
        "int8": pa.array([-128, 0, 127, None, 1], pa.int8()),
        "uint16": pa.array([0, 65535, 1, 2, 3], pa.uint16()),
        "int64": pa.array([2**63 - 1 - i for i in range(5)], pa.int64()),
        "uint64": pa.array([2**63 - 2 + i for i in range(5)], pa.uint64()),
        "float": pa.array([0.5, None, 2.0, -1.0, float("nan")], pa.float32()),
        "flag": pa.array([True, False, None, True, False]),
        "nothing": pa.nulls(5),
        "texts": pa.array([["é", "b"], [], None, [None], ["c"]], pa.large_list(pa.string())),
        "fixed": pa.array([[i / 2, i] for i in range(5)], pa.list_(pa.float32(), 2)),
        "struct": pa.array([{"x": 1}] * 5),
        "day": pa.array([0] * 5, pa.date32()),
    }
)
feather.write_feather(table, HERE / "types.feather", compression="lz4", chunksize=2)
feather.write_feather(table, HERE / "zstd.arrow", compression="zstd")

# pandas writes the names of rows as a column.
frame = pd.DataFrame({"query": ["a", "b"], "_id": [0, None]}, index=["first", "second"])
frame.to_parquet(HERE / "pandas.parquet")
